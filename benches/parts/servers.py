"""The loader against real servers, which work harder than it does."""

import machine
from engines import SERVERS
from markdown import count, paragraphs, table
from measuring import Failed, rate, spread

# Plants that keep their tags are the least work for a server; nearly a new series with every row is the most, which takes so long
# that fewer have to do.
DATA = {"steady": ("500 series", 1_000_000), "generation": ("a series a row", 100_000)}


def measure(bench):
    def contender(server, file):
        def load():
            with server() as running:
                cpu, idle = running.cpu(), machine.idle()
                done = bench.loader.load(file, **running.settings())
                done |= {"server_cpu": running.cpu() - cpu, "idle": machine.idle() - idle}
            if done["rejected"]:
                raise Failed(f"{server.name} has refused {done['rejected']} rows")
            return done

        return load

    contenders = {
        f"{server.name}, {words}": contender(server, bench.dataset(data, rows))
        for data, (words, rows) in DATA.items()
        for server in SERVERS
    }
    return {"cores": bench.cores, "runs": bench.in_turns(contenders, bench.rounds_of_servers)}


def shares(of, cores):
    """Of the time of all cores: the server's, the loader's, what nobody has used, and the rest, which is that of others."""

    def share(name):
        return spread(of, lambda run: run[name] / run["seconds"] / cores)

    return {"server": share("server_cpu"), "loader": share("cpu"), "idle": share("idle")}


def work(of):
    """The server's time of processors for each second of the loader's."""
    return spread(of, lambda run: run["server_cpu"] / run["cpu"])


def section(found):
    cores, rows = found["cores"], []
    for name, of in found["runs"].items():
        one_core, rates = spread(of, lambda run: run["server_cpu"] / run["seconds"]), spread(of, rate)
        percents = [each.tell("{:.0%}") for each in (one_core, *shares(of, cores).values())]
        number = count(of[0]["rows"])
        rows.append([name, f"**{work(of).tell('{:.1f}')} ×**", *percents, rates.tell(), rates.between(), number])
    header = [
        "server, data", "server's work, the loader's = 1", "server, of one core", f"server, of {cores} cores",
        f"loader, of {cores} cores", "idle", "rows a second", "least – most", "rows",
    ]  # fmt: skip
    return paragraphs(
        "## Against a server",
        "Generation data into an empty server on the same machine, with all settings as they are by default, from the start of the "
        "loader to its end; what is left was the time of other programs. Plants that keep their tags make 500 series. Where tags "
        "are drawn anew, as in all other files here, nearly every row is the first of its series: the most work for a server.",
        "![Who uses the processor](benchmarks-servers.svg)",
        table(header, rows),
    )


def headlines(found):
    least = min(work(of).middle for of in found["runs"].values())
    rates = [spread(of, rate).middle for of in found["runs"].values()]
    yield (
        f"A server on the same machine takes {min(rates):,.0f} to {max(rates):,.0f} rows a second, and works at least {least:.1f} "
        "times as much for them as the loader."
    )


def goals(found):
    for name, of in found["runs"].items():
        times = work(of)
        yield f"{name}: the server's work against the loader's", "more than 2 ×", f"{times.tell('{:.1f}')} ×", times.middle > 2
