"""Entry point of `python -m bundle`."""

from bundle.cli import main

if __name__ == "__main__":
    main()
