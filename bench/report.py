"""How every figure is printed: `name: figure   (target: met or missed)`."""

from collections.abc import Sequence


def topic(text: str) -> None:
    """What the figures below were measured on."""
    print(text)


def figure(name: str, shown: str, target: str = "", *, met: bool | None = None) -> None:
    """One line. `met` None: there is no target."""
    verdict = "" if met is None else f"   (target {target}: {'met' if met else 'MISSED'})"
    print(f"  {name}: {shown}{verdict}", flush=True)


def times(name: str, values: Sequence[float], p50: float = 0, p99: float = 0) -> None:
    """Milliseconds, with at most so many as the target of one percentile; 0 is none."""
    share, limit = ("p50", p50) if p50 else ("p99", p99)
    met = percentile(values, 0.5 if p50 else 0.99) <= limit if limit else None
    figure(name, f"{percentiles(values)} ms", f"{share} <= {limit:g} ms", met=met)


def percentile(values: Sequence[float], share: float) -> float:
    """The value that this share of all is at or below."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


def percentiles(values: Sequence[float]) -> str:
    """`p50 1.23  p95 2.34  p99 3.45  max 4.56`, in the unit of the values."""
    shown = [f"p{share} {percentile(values, share / 100):.2f}" for share in (50, 95, 99)]
    return "  ".join([*shown, f"max {max(values):.2f}"])
