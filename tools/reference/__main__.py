"""Write every reference page anew: `python -m tools.reference`, or `make reference`."""

from tools.reference.pages import PAGES, REFERENCE


def main() -> None:
    """Write the pages."""
    for name, render in PAGES.items():
        (REFERENCE / name).write_text(render(), encoding="utf-8")
        print(f"docs/reference/{name}")


if __name__ == "__main__":
    main()
