"""What monty is trusted with of the standard library: the names of each module, each with a program that proves it.

Left out, because the answers differ or in doubt: functions whose last digit comes from another mathematical library
(cbrt, erf, gamma and the inverse hyperbolic ones), iterators without an end, clocks, files, whatever is not listed.
"""

# ruff: noqa: E501 - a probe is one line

from collections.abc import Mapping

__all__ = ["CLASSES", "CLASS_METHODS", "DIFFERENT_MEMBERS", "MODULES"]


def _calls(module: str, **arguments: str) -> dict[str, str]:
    """A probe for each function that calls it once for each group of arguments."""
    return {
        name: f"import {module}\n" + ", ".join(f"{module}.{name}({each})" for each in groups.split("; "))
        for name, groups in arguments.items()
    }


def _values(module: str, *names: str) -> dict[str, str]:
    return {name: f"import {module}\n{module}.{name}" for name in names}


MODULES: Mapping[str, Mapping[str, str]] = {
    "__future__": {"annotations": "from __future__ import annotations\n1"},
    "bisect": _calls(
        "bisect",
        bisect="[1, 3, 3, 5], 3; [], 1",
        bisect_left="[1, 3, 3, 5], 3; [1], 9",
        bisect_right="[1, 3, 3, 5], 3; [1], 0",
    )
    | {"insort": "import bisect\na = [1, 4]; bisect.insort(a, 3); bisect.insort(a, 9); a"},
    "collections": {
        "Counter": "from collections import Counter\n"
        "c = Counter('banana'); c['x'] += 2; c.update('ab'); c['a'], c['z'], len(c), sorted(c), c.most_common(1)",
        "defaultdict": "from collections import defaultdict\n"
        "d = defaultdict(list); d['a'].append(1); n = defaultdict(int); n['x'] += 1; l = defaultdict(lambda: 5); "
        "dict(d), dict(n), l['q'], sorted(n), n.get('none'), 'none' in n",
        "deque": "from collections import deque\nq = deque([1, 2, 3], maxlen=3); q.append(4); len(q), list(q), q[0], q.pop()",
    },
    "copy": {
        "copy": "import copy\na = [[1]]; b = copy.copy(a); b.append(2); b[0].append(3); a, b",
        "deepcopy": "import copy\na = [[1], {'x': [2]}]; b = copy.deepcopy(a); b[0].append(3); b[1]['x'].append(4); a, b",
    },
    "datetime": {
        "date": "from datetime import date\ndate(2026, 1, 31), date(2026, 1, 1) < date(2026, 1, 2), str(date(2026, 1, 2))",
        "datetime": "from datetime import datetime\n"
        "datetime(2026, 1, 2, 3, 4, 5), str(datetime(2026, 1, 2)), datetime(2026, 1, 2, 3) - datetime(2026, 1, 1)",
        "time": "from datetime import time\ntime(14, 5), time(1) < time(2), str(time(9, 5, 1))",
        "timedelta": "from datetime import date, timedelta\n"
        "date(2026, 1, 31) + timedelta(days=30), timedelta(weeks=2), timedelta(hours=5) // timedelta(hours=2), "
        "str(timedelta(days=-1, seconds=5)), timedelta(1) / 2, timedelta(minutes=90) * 2, -timedelta(1)",
        "timezone": "from datetime import datetime, timedelta, timezone\n"
        "datetime(2026, 1, 1, tzinfo=timezone.utc), datetime(2026, 1, 1, tzinfo=timezone(timedelta(hours=2)))",
    },
    "decimal": {
        "Decimal": "from decimal import Decimal\n"
        "Decimal('1.10') + 1, Decimal('0.1') * 3, Decimal(1) / 3, Decimal('7.5') // 2, Decimal('-7') % 3, -Decimal(1), "
        "Decimal('1.1') == Decimal('1.10'), sorted([Decimal('2.2'), Decimal('1.1')]), max(Decimal(1), Decimal(2)), "
        "Decimal(3) > 2.5, str(Decimal('1E+3')), f'{Decimal(\"1234.5\"):,.2f}', int(Decimal('2.9')), float(Decimal('0.1')), "
        "abs(Decimal('-1')), Decimal(2) ** 10, round(Decimal('2.5')), repr(Decimal('0.00')), Decimal(1.1), bool(Decimal(0))",
    }
    | {
        name: f"from decimal import Decimal, {name}\n"
        f"[Decimal(n).quantize(Decimal('0.1'), rounding={name}) for n in ['1.25', '1.35', '-1.25', '1.21', '-1.29', '1.05']]"
        for name in (
            "ROUND_05UP",
            "ROUND_CEILING",
            "ROUND_DOWN",
            "ROUND_FLOOR",
            "ROUND_HALF_DOWN",
            "ROUND_HALF_EVEN",
            "ROUND_HALF_UP",
            "ROUND_UP",
        )
    },
    "functools": {
        "cache": "from functools import cache\n@cache\ndef f(n):\n    return n if n < 2 else f(n - 1) + f(n - 2)\nf(60)",
        "lru_cache": "from functools import lru_cache\n"
        "@lru_cache(maxsize=None)\ndef f(n):\n    return n if n < 2 else f(n - 1) + f(n - 2)\nf(60)",
        "reduce": "from functools import reduce\nreduce(lambda a, b: a * b, [1, 2, 3, 4]), reduce(max, [3, 1], 9)",
    },
    "itertools": {
        name: f"import itertools\n[list(p) if isinstance(p, tuple) else p for p in list(itertools.{call})]"
        for name, call in {
            "accumulate": "accumulate([1, 2, 3])",
            "chain": "chain([1], 'ab', (2,))",
            "combinations": "combinations('abc', 2)",
            "combinations_with_replacement": "combinations_with_replacement('ab', 2)",
            "pairwise": "pairwise([1, 2, 3])",
            "permutations": "permutations([1, 2, 3], 2)",
            "product": "product('ab', [1, 2])",
            "zip_longest": "zip_longest([1], 'ab', fillvalue=0)",
        }.items()
    },
    "json": {
        "dumps": "import json\njson.dumps({'b': [1, 2.5, None, True], 'a': 'é\"\\n'}), json.dumps([1], indent=2), "
        "json.dumps({'b': 1, 'a': 2}, sort_keys=True), json.dumps('é', ensure_ascii=False), "
        "json.dumps([1, 2], separators=(',', ':')), json.dumps((1,)), json.dumps(1e16), json.dumps(10 ** 20)",
        "loads": 'import json\njson.loads(\'{"a": [1, 2.0, null, true, "\\\\u00e9"], "b": {}}\'), json.loads("1e3"), json.loads(\' [] \')',
    },
    "math": _values("math", "e", "inf", "pi", "tau")
    | _calls(
        "math",
        acos="0.5",
        asin="0.5",
        atan="2",
        atan2="1, -2",
        ceil="2.1; -2.1; 5",
        comb="5, 2; 3, 9",
        copysign="3, -0.0",
        cos="1",
        cosh="1",
        degrees="1",
        dist="[1, 2], [4, 6]",
        exp="1; -2.5",
        expm1="1e-10",
        fabs="-2",
        factorial="0; 20; 30",
        floor="2.9; -2.1; 5",
        fmod="7.5, -2",
        frexp="10.5",
        fsum="[0.1] * 10",
        gcd="12, 18; 0, 5",
        hypot="3, 4; 1, 1, 1",
        isclose="0.1 + 0.2, 0.3; 1, 2",
        isfinite="1.0; float('inf')",
        isinf="float('-inf')",
        isnan="math.inf - math.inf; 1",
        isqrt="17; 10 ** 30",
        lcm="4, 6",
        ldexp="0.5, 3",
        log="10; 8, 2; 100, 10",
        log10="1000; 2",
        log1p="1e-10",
        log2="8; 3",
        modf="2.5; -2.5",
        perm="5, 2; 4",
        pow="2, 0.5",
        prod="[1, 2, 3]; [], start=4",
        radians="180",
        remainder="7, 3",
        sin="1",
        sinh="1",
        sqrt="2; 16; 10 ** 20",
        tan="1",
        tanh="1",
        trunc="-2.9",
    ),
    "random": {
        "seed": "import random\nrandom.seed(7); random.random()",
        "random": "import random\nrandom.seed('a'); random.random(), random.random()",
        "randint": "import random\nrandom.seed(1); [random.randint(1, 6) for _ in range(20)]",
        "randrange": "import random\nrandom.seed(1); random.randrange(100), random.randrange(2, 50, 3)",
        "choice": "import random\nrandom.seed(1); [random.choice('abcdef') for _ in range(9)]",
        "sample": "import random\nrandom.seed(1); random.sample([1, 2, 3, 4, 5, 6], 3)",
        "shuffle": "import random\nrandom.seed(1); a = [1, 2, 3, 4, 5]; random.shuffle(a); a",
        "uniform": "import random\nrandom.seed(1); random.uniform(1, 9)",
    },
    "typing": {
        name: f"from typing import {name}\ndef f(x: {name}) -> None: pass\nf(1)"
        for name in [
            "Any",
            "Callable",
            "Dict",
            "Iterable",
            "Iterator",
            "List",
            "Mapping",
            "Optional",
            "Sequence",
            "Set",
            "Tuple",
            "Union",
        ]
    },
}

CLASSES = frozenset({"Counter", "Decimal", "date", "datetime", "defaultdict", "deque", "time", "timedelta", "timezone"})
"""Names of the modules above that are classes."""

CLASS_METHODS: Mapping[tuple[str, str], str] = {
    ("date", "today"): "from datetime import date\n(date.today() - date.today()).days in (0, -1)",
    ("datetime", "now"): "from datetime import datetime\n(datetime.now() - datetime.now()).days in (0, -1)",
    (
        "datetime",
        "combine",
    ): "from datetime import date, datetime, time\ndatetime.combine(date(2026, 1, 2), time(3, 4))",
    ("dict", "fromkeys"): "dict.fromkeys('ab'), dict.fromkeys([1, 2], 0)",
    ("timezone", "utc"): "from datetime import timezone\nstr(timezone.utc)",
}
"""What may be read off a class, as (class, name)."""

DIFFERENT_MEMBERS: Mapping[str, str] = {
    "math.cbrt": "import math\n[math.cbrt(n) for n in range(1, 60)]",
    "math.gamma": "import math\n[math.gamma(n / 7) for n in range(1, 60)]",
    "math.lgamma": "import math\n[math.lgamma(n / 7) for n in range(1, 60)]",
    "math.erfc": "import math\n[math.erfc(n / 7) for n in range(1, 60)]",
    "collections.OrderedDict": "from collections import OrderedDict\n1",
    "functools.wraps": "from functools import wraps\n1",
    "re": "import re\nbool(re.search('b$', 'b\\n'))",
    "datetime.date.fromisoformat": "from datetime import date\ndate.fromisoformat('20260203')",
    "datetime.datetime.strptime": "from datetime import datetime\ndatetime.strptime('14:30', '%H:%M')",
    "statistics": "import statistics\n1",
    "enum": "import enum\n1",
    "sys.exit": "import sys\nsys.exit(0)",
}
"""Members and modules that are left out because they differ or are missing, with a program that shows it."""
