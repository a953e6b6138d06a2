"""The long forms of promises; `make prove` runs them and prints a line of figures for each."""
