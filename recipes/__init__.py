"""How the models that ship came about."""
