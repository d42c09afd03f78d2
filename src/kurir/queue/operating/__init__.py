"""People at the queue: what they do (`operate`), what they see (`overview`, `roadview`), what is foretold them (`outlook` for what waits, `forecasts` for what is handed in)."""
