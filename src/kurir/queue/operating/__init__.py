"""People at the queue: what they do (`operate`), what they see (`overview`, `roadview`), what is foretold them (`outlook`)."""
