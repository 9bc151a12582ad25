"""`python -m localcloud`."""

from localcloud.cli import main

if __name__ == "__main__":
    main(prog_name="python -m localcloud", auto_envvar_prefix="LOCALCLOUD")
