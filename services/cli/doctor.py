"""`dumb doctor`: what may be wrong, and what to do about it."""

from services.cli.client import AwayError, Client


def run_checks(client: Client) -> int:
    """Print every check; 1 when one of them found a problem.

    Raises:
        DumbError: the API refuses.
    """
    try:
        found = client.get("/environment")
    except AwayError as error:
        print(f"PROBLEM  api: {error}")
        return 1
    print(f"ok       api: answers at {client.base}")
    checks = [check for check in found.get("checks") or [] if isinstance(check, dict)]
    for check in checks:
        print(f"{'ok      ' if check.get('ok') else 'PROBLEM '} {check.get('name')}: "
              f"{check.get('detail')}")  # fmt: skip
        if check.get("advice"):
            print(f"         {check['advice']}")
    problems = sum(1 for check in checks if not check.get("ok"))
    if not checks:
        print("\nThe API says nothing about itself.")
        return 1
    if problems:
        print(f"\n{problems} {'problem' if problems == 1 else 'problems'} found.")
        return 1
    print("\nEverything is well.")
    return 0
