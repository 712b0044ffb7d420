"""The page: a table of medians and ratios, with everything one needs to do it again."""

import datetime
import os
import pathlib
import platform
import statistics


def median(values):
    """The median of the values that there are, or None."""
    values = [value for value in values if value is not None]
    return statistics.median(values) if values else None


def page(rows, results, versions, command):
    """The whole page. `results[row][broker]` is a list of runs."""
    names = list(versions)
    brokers = ", ".join(f"{name} {version}" for name, version in versions.items())
    lines = [
        "# Benchmarks",
        "",
        f"Made on {datetime.date.today()} with `{command}`: {brokers}.",
        f"The machine: {machine()}.",
        "",
        "Each figure is the median of its runs; every run had a broker newly started on an empty",
        "directory, with the load generator (`leveret perf`) on the same machine, checking that",
        "nothing was lost, doubled or reordered. A ratio above 1 means that Leveret is so many",
        "times better. CPU is the broker's, for each message; memory is its peak. The aim is what",
        "we were after: a figure, and the ratio to what RabbitMQ 4.3.6 had done with another, heavier",
        "generator on a machine of this kind.",
        "",
        *table(rows, results, names),
        "",
        "## Command lines",
        "",
        "Each with `--uri` and `--json`.",
        "",
        *commands(rows, results),
        "",
        *failures(rows, results),
        "",
        *remarks(),
    ]
    return "\n".join(lines).rstrip() + "\n"


def table(rows, results, names):
    """The rows; Leveret is compared with each of the others."""
    rivals = [name for name in names if name != "Leveret"]
    ratios = [f"ratio to {name}" for name in rivals]
    heads = ["load", *names, *ratios]
    heads += [f"CPU µs, {name}" for name in names] + [f"MiB, {name}" for name in names]
    heads.append("aim")
    yield line(heads)
    yield line(["---"] + ["---:"] * (len(heads) - 1))
    for row in rows:
        runs = results.get(row.name, {})
        for place, figure in enumerate(row.figures):
            values = {name: median(figures(runs.get(name, []), place)) for name in names}
            title = f"{row.title}: {figure.name}" if len(row.figures) > 1 else row.title
            cells = [title, *(show(values[name], figure.unit) for name in names)]
            cells += [ratio(figure, values.get("Leveret"), values[name]) for name in rivals]
            first = place == 0
            for key, digits in (("cpu_us", 2), ("peak_mib", 0)):
                for name in names:
                    cells.append(extra(runs.get(name, []), key, digits) if first else "")
            yield line([*cells, figure.aim])


def figures(runs, place):
    return [run["figures"][place] for run in runs if run["figures"]]


def extra(runs, key, digits):
    value = median([run[key] for run in runs])
    return "" if value is None else f"{value:,.{digits}f}"


def show(value, unit):
    if value is None:
        return "failed"
    digits = 0 if value >= 100 else 1 if value >= 10 else 2
    return f"{value:,.{digits}f} {unit}"


def ratio(figure, own, other):
    if not own or not other:
        return ""
    value = own / other if figure.more_is_better else other / own
    return f"{value:.1f} ×" if value >= 1 else f"{value:.2f} ×"


def commands(rows, results):
    for row in rows:
        for runs in results.get(row.name, {}).values():
            for command in runs[0]["commands"] if runs else []:
                yield f"- {row.title}: `leveret perf {command}`"
            break


def failures(rows, results):
    """What the check found, or what went wrong."""
    found = [
        f"- {row.title}, {name}: {run['failure']}"
        for row in rows
        for name, runs in results.get(row.name, {}).items()
        for run in runs
        if run["failure"]
    ]
    return ["## What failed", "", *found] if found else []


def remarks():
    """What people have to say about the figures: it stays when the table is made anew."""
    text = pathlib.Path(__file__).with_name("remarks.md").read_text()
    return text.rstrip().splitlines()


def line(cells):
    return "| " + " | ".join(cells) + " |"


def machine():
    """Processor, cores, memory and kernel."""
    cpu = "unknown processor"
    for text in pathlib.Path("/proc/cpuinfo").read_text().splitlines():
        if text.startswith("model name"):
            cpu = text.partition(":")[2].strip()
            break
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return f"{cpu}, {os.cpu_count()} cores, {memory:.0f} GiB, Linux {platform.release()}"
