"""``evalkit`` and ``python -m evalkit``."""

from __future__ import annotations


def main() -> None:
    """Run the command line; ends the process with the exit code of the contract."""
    from evalkit.cli.app import main as start

    start()


if __name__ == "__main__":
    main()
