"""Entry point of `python -m inference.wheelhouse`."""

from inference.wheelhouse.cli import main

if __name__ == "__main__":
    main()
