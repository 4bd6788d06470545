"""The command line: the library's questions, one command each."""
