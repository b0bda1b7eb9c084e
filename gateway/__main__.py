"""`python -m gateway` is the command `leuko`."""

from gateway.cli import main

if __name__ == "__main__":
    main()
