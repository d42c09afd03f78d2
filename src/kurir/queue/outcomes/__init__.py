"""How it ended: `settle` turns an outcome into a fate or a next try, `duties` says who has to be told, `notices` sees to it."""
