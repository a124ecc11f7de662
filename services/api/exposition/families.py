"""Families of samples in few words. A value that is not known is no sample."""

from collections.abc import Iterable

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

Value = float | None
Labelled = tuple[tuple[str, ...], Value]
"""Values of the labels, and the sample's own."""


def gauge(name: str, text: str, value: Value) -> Metric:
    """One sample without labels, or none."""
    return gauges(name, text, (), [((), value)])


def counter(name: str, text: str, value: Value) -> Metric:
    """One sample without labels, or none; `name` without `_total`."""
    return counters(name, text, (), [((), value)])


def gauges(name: str, text: str, labels: tuple[str, ...], samples: Iterable[Labelled]) -> Metric:
    family = GaugeMetricFamily(name, text, labels=labels)
    for values, value in samples:
        if value is not None:
            family.add_metric(values, value)
    return family


def counters(name: str, text: str, labels: tuple[str, ...], samples: Iterable[Labelled]) -> Metric:
    """`name` without `_total`."""
    family = CounterMetricFamily(name, text, labels=labels)
    for values, value in samples:
        if value is not None:
            family.add_metric(values, value)
    return family
