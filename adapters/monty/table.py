"""What monty is trusted with: builtins, methods, syntax. Data, and each entry carries the programs that prove it.

A probe is a Python program; its value, what it prints and the type of what it raises are compared between monty and
CPython by the tests. What is in no table is declined before anything runs. ``DIFFERS`` says what is left out because
monty's answer is another one than CPython's, with a program that shows it: when an upgrade mends it, its test fails and
the entry can go.
"""

# ruff: noqa: E501 - a probe is one line

from collections.abc import Mapping

__all__ = [
    "BUILTINS",
    "DATA_ATTRIBUTES",
    "DIFFERS",
    "EXCEPTIONS",
    "METHODS",
    "MUTATORS",
    "SET_METHODS",
    "SYNTAX",
    "TYPES",
]

BUILTINS: Mapping[str, str] = {
    "abs": "abs(-3), abs(-2.5), abs(True)",
    "all": "all([]), all([1, 0]), all([1, 'a'])",
    "any": "any([]), any([0, 2]), any(())",
    "bin": "bin(5), bin(-5)",
    "bool": "bool(0), bool('a'), bool([]), bool(None)",
    "chr": "chr(65), chr(8364), chr(128512)",
    "dict": "dict(), dict(a=1), dict([('a', 1), ('b', 2)]), dict({'x': 1}, y=2), dict(zip('ab', [1, 2]))",
    "divmod": "divmod(7, 2), divmod(-7, 2), divmod(7.5, 2), divmod(7, -2)",
    "enumerate": "list(enumerate('ab')), list(enumerate('ab', 5)), list(enumerate('ab', start=2))",
    "filter": "list(filter(None, [0, 1, '', 'a'])), list(filter(lambda x: x > 1, [1, 2, 3]))",
    "float": "float('1.5'), float(3), float(' -2e3 '), float('inf'), float()",
    "format": "format(3.14159, '.2f'), format(1234567, ',')",
    "frozenset": "len(frozenset([1, 1])), 1 in frozenset([1])",
    "hex": "hex(255), hex(-255)",
    "int": "int('12'), int(3.9), int(-3.9), int('ff', 16), int(' 7 '), int('1_000'), int(True), int()",
    "isinstance": "isinstance(1, int), isinstance(True, int), isinstance('a', (int, str)), isinstance(1.0, int)",
    "len": "len('é'), len([1, 2]), len({}), len(range(3))",
    "list": "list('ab'), list((1, 2)), list({'a': 1}), list(range(3)), list()",
    "map": "list(map(str, [1, 2])), list(map(lambda a, b: a + b, [1, 2], [3, 4, 5]))",
    "max": "max(1, 3, 2), max([1, 5]), max('abc'), max([], default=0), max([1, -5], key=abs)",
    "min": "min(1, 3, 2), min([1, 5]), min({'b': 1, 'a': 2}), min([], default=None), min([1, -5], key=abs)",
    "oct": "oct(8)",
    "ord": "ord('a'), ord('€')",
    "pow": "pow(2, 10), pow(2, -1), pow(3, 4, 5), pow(2.0, 0.5)",
    "print": "print(1, 'a', None, 2.50, [1, 'x'], sep='-', end='!\\n'); print(); print('é', flush=True)",
    "range": "list(range(5)), list(range(1, 10, 3)), list(range(5, 0, -2)), 3 in range(5), len(range(7))",
    "repr": "repr('a\"b'), repr([1, 'x', None]), repr(1e16), repr({'a': (1,)})",
    "reversed": "list(reversed([1, 2, 3])), list(reversed('abc')), list(reversed(range(3)))",
    "round": "round(2.5), round(3.5), round(-0.5), round(7)",
    "set": "len(set('hello')), sorted(set([3, 1, 1])), set() == set()",
    "sorted": "sorted([3, 1, 2]), sorted('bca'), sorted([1, -2, 3], key=abs, reverse=True), sorted({'b': 1, 'a': 2})",
    "str": "str(1), str(1.0), str(None), str([1, 'a']), str(), str(True), str(1e100)",
    "sum": "from decimal import Decimal\nsum([1, 2, 3]), sum([0.5, 0.25]), sum([], 5), sum([[1], [2]], []), "
    "sum({'a': 1}.values()), sum(n * n for n in range(4)), sum([Decimal('1.1'), Decimal('2.2')])",
    "tuple": "tuple([1, 2]), tuple('ab'), tuple()",
    "type": "type(1) is int, type('a') == str, type([]) in (list, tuple), type(True) is int",
    "zip": "list(zip([1, 2], 'ab')), list(zip([1], [2, 3], [4])), list(zip())",
}

TYPES = frozenset({"bool", "bytes", "dict", "float", "frozenset", "int", "list", "range", "set", "str", "tuple"})
"""Builtins that are classes, so that they may stand where a class is asked for."""

EXCEPTIONS: Mapping[str, str] = {
    name: f"""
try:
    raise {name}('no')
except {name}:
    result = 'caught'
result
"""
    for name in (
        "ArithmeticError",
        "AssertionError",
        "AttributeError",
        "Exception",
        "IndexError",
        "KeyError",
        "LookupError",
        "NameError",
        "NotImplementedError",
        "OverflowError",
        "RuntimeError",
        "TypeError",
        "ValueError",
        "ZeroDivisionError",
    )
}

METHODS: Mapping[str, str] = {
    # lists, deques, dicts, sets
    "add": "s = set(); s.add(1); s.add(1); len(s)",
    "append": "a = [1]; a.append([2]); a",
    "clear": "a = [1]; a.clear(); d = {1: 2}; d.clear(); a, d",
    "copy": "a = [1, [2]]; b = a.copy(); b.append(3); b[1].append(9); d = {1: 2}; e = d.copy(); e[3] = 4; a, b, d, e",
    "count": "'banana'.count('an'), [1, 2, 1].count(1), (1, 1).count(1), 'aaa'.count('')",
    "difference": "sorted({1, 2}.difference([2]))",
    "discard": "s = {1, 2}; s.discard(1); s.discard(5); sorted(s)",
    "extend": "a = [1]; a.extend([2]); a.extend('xy'); a.extend(range(2)); a",
    "get": "d = {'a': 1}; d.get('a'), d.get('b'), d.get('b', 0)",
    "index": "[5, 6].index(6), 'abc'.index('c'), (1, 2).index(2), 'abcabc'.index('b', 2)",
    "insert": "a = [1, 2]; a.insert(0, 0); a.insert(-1, 9); a.insert(99, 7); a",
    "intersection": "sorted({1, 2}.intersection([2, 3]))",
    "isdisjoint": "{1}.isdisjoint([2]), {1}.isdisjoint({1})",
    "issubset": "{1}.issubset([1, 2])",
    "issuperset": "{1, 2}.issuperset([1])",
    "items": "list({'a': 1, 'b': 2}.items()), [k for k, v in {'x': 0}.items()]",
    "keys": "list({'a': 1, 'b': 2}.keys()), 'a' in {'a': 1}.keys()",
    "most_common": "from collections import Counter\nCounter('abracadabra').most_common(2), Counter('ab').most_common()",
    "pop": "a = [1, 2, 3]; d = {'a': 1}; a.pop(), a.pop(0), a, d.pop('a'), d.pop('z', 5), d",
    "popitem": "d = {'a': 1, 'b': 2}; d.popitem(), d",
    "popleft": "from collections import deque\nq = deque([1, 2]); q.popleft(), list(q)",
    "appendleft": "from collections import deque\nq = deque([1]); q.appendleft(0); list(q)",
    "remove": "a = [1, 2, 1]; a.remove(1); a",
    "reverse": "a = [1, 2, 3]; a.reverse(); a",
    "setdefault": "d = {}; d.setdefault('a', []).append(1); d.setdefault('a', 5); d",
    "sort": "a = ['b', 'C', 'a']; a.sort(); b = [1, -3, 2]; b.sort(key=abs, reverse=True); a, b",
    "symmetric_difference": "sorted({1, 2}.symmetric_difference([2, 3]))",
    "union": "sorted({1}.union([2]))",
    "update": "d = {'a': 1}; d.update({'b': 2}); d.update(c=3); d.update([('d', 4)]); d",
    "values": "list({'a': 1, 'b': 2}.values()), max({'a': 1}.values())",
    # text
    "capitalize": "'hELLO wORLD'.capitalize(), ''.capitalize(), 'éa'.capitalize()",
    "casefold": "'Straße'.casefold()",
    "center": "'a'.center(5), 'ab'.center(5, '*'), 'abc'.center(2)",
    "encode": "'é'.encode(), 'é'.encode('utf-8')",
    "decode": "'é'.encode().decode(), 'é'.encode().decode('utf-8')",
    "endswith": "'abc'.endswith('bc'), 'abc'.endswith(('x', 'c')), 'abc'.endswith('')",
    "expandtabs": "'a\\tb'.expandtabs(), 'a\\tb'.expandtabs(4)",
    "find": "'abcabc'.find('c'), 'abc'.find('z'), 'abcabc'.find('c', 3)",
    "format": "'{} {}'.format(1, 'a'), '{0}|{1:>8.2f}|{name!r}'.format('x', 2.5, name='n'), '{:,}'.format(1234567)",
    "isalnum": "'a1'.isalnum(), ''.isalnum(), 'a b'.isalnum()",
    "isalpha": "'aé'.isalpha(), 'a1'.isalpha(), ''.isalpha()",
    "isascii": "'a'.isascii(), 'é'.isascii()",
    "isdecimal": "'12'.isdecimal(), '1.2'.isdecimal()",
    "isdigit": "'12'.isdigit(), '²'.isdigit(), ''.isdigit()",
    "islower": "'ab'.islower(), 'aB'.islower(), '12'.islower()",
    "isnumeric": "'12'.isnumeric(), '½'.isnumeric()",
    "isspace": "' \\t\\n'.isspace(), ''.isspace()",
    "istitle": "'Ab Cd'.istitle(), 'ab'.istitle()",
    "isupper": "'AB'.isupper(), 'Ab'.isupper()",
    "join": "','.join(['a', 'b']), ''.join('abc'), '-'.join(str(n) for n in [1, 2]), ' '.join(map(str, [1, 2]))",
    "ljust": "'a'.ljust(3) + '|', 'a'.ljust(3, '.')",
    "lower": "'ÀB'.lower()",
    "lstrip": "'  a '.lstrip(), 'xxa'.lstrip('x')",
    "partition": "'a=b=c'.partition('='), 'a'.partition('=')",
    "removeprefix": "'abc'.removeprefix('ab'), 'abc'.removeprefix('x')",
    "removesuffix": "'abc'.removesuffix('bc')",
    "replace": "'aXbX'.replace('X', '-'), 'aXbX'.replace('X', '-', 1), 'ab'.replace('', '.')",
    "rfind": "'abcabc'.rfind('c'), 'abc'.rfind('z')",
    "rindex": "'abcabc'.rindex('b')",
    "rjust": "'a'.rjust(3), '7'.rjust(3, '0')",
    "rpartition": "'a=b=c'.rpartition('=')",
    "rsplit": "'a b c'.rsplit(None, 1), 'a,b,c'.rsplit(',', 1)",
    "rstrip": "' a  '.rstrip() + '|', 'axx'.rstrip('x')",
    "split": "'a b  c'.split(), 'a,b,,c'.split(','), 'a,b,c'.split(',', 1), ''.split(), ''.split(',')",
    "splitlines": "'a\\nb\\r\\nc'.splitlines(), 'a\\n'.splitlines(True)",
    "startswith": "'abc'.startswith('ab'), 'abc'.startswith(('x', 'a')), 'abc'.startswith('b', 1)",
    "strip": "'  a\\t\\n'.strip(), 'xaxx'.strip('x'), '[a]'.strip('[]')",
    "swapcase": "'aB'.swapcase()",
    "title": "'hello wORLD'.title(), \"they're\".title()",
    "upper": "'aß'.upper()",
    "zfill": "'7'.zfill(3), '-7'.zfill(4), 'abc'.zfill(2)",
    # decimals
    "copy_abs": "from decimal import Decimal\nDecimal('-1.50').copy_abs()",
    "is_finite": "from decimal import Decimal\nDecimal(1).is_finite(), Decimal('inf').is_finite()",
    "is_nan": "from decimal import Decimal\nDecimal(1).is_nan()",
    "is_signed": "from decimal import Decimal\nDecimal('-0').is_signed()",
    "is_zero": "from decimal import Decimal\nDecimal('0.00').is_zero()",
    "normalize": "from decimal import Decimal\nDecimal('1.500').normalize(), Decimal('100').normalize()",
    "quantize": "from decimal import Decimal, ROUND_HALF_UP, ROUND_DOWN\n"
    "Decimal('2.675').quantize(Decimal('0.01')), Decimal('2.675').quantize(Decimal('0.01'), rounding=ROUND_HALF_UP), "
    "Decimal('-2.679').quantize(Decimal('0.01'), ROUND_DOWN), Decimal('5').quantize(Decimal('0.01'))",
    "sqrt": "from decimal import Decimal\nDecimal(2).sqrt(), Decimal('1.44').sqrt()",
    "to_integral_value": "from decimal import Decimal, ROUND_UP\n"
    "Decimal('2.5').to_integral_value(), Decimal('2.1').to_integral_value(rounding=ROUND_UP)",
    # dates
    "date": "from datetime import datetime\ndatetime(2026, 1, 2, 3).date()",
    "isoformat": "from datetime import date, datetime\n"
    "date(2026, 1, 2).isoformat(), datetime(2026, 1, 2, 3, 4, 5, 6).isoformat(), datetime(2026, 1, 2).isoformat(' ')",
    "isoweekday": "from datetime import date\ndate(2026, 1, 4).isoweekday()",
    "strftime": "from datetime import date, datetime\n"
    "date(2026, 1, 5).strftime('%Y-%m-%d %A %B %d %j %b %a %y %m/%d/%Y'), "
    "datetime(2026, 1, 5, 14, 3, 9).strftime('%H:%M:%S %I:%M %p')",
    "time": "from datetime import datetime\ndatetime(2026, 1, 2, 3, 4).time()",
    "total_seconds": "from datetime import timedelta\n"
    "timedelta(days=1, hours=2).total_seconds(), timedelta(milliseconds=1).total_seconds()",
    "weekday": "from datetime import date, datetime\ndate(2026, 1, 5).weekday(), datetime(2026, 1, 4).weekday()",
}
"""Methods of any value. Where several types have a method of the name, its probe tries them."""

MUTATORS = frozenset(
    {"add", "append", "appendleft", "clear", "discard", "extend", "insert", "pop", "popitem", "popleft"}
    | {"remove", "reverse", "setdefault", "sort", "update"}
)
"""Methods that change the value that they are called on."""

SET_METHODS = frozenset(
    {"add", "clear", "difference", "discard", "intersection", "isdisjoint", "issubset", "issuperset", "remove"}
    | {"symmetric_difference", "union", "update"}
)
"""Methods of a set that do not show the order of its members."""

DATA_ATTRIBUTES: Mapping[str, str] = {
    "year": "from datetime import date\ndate(2026, 1, 2).year",
    "month": "from datetime import date\ndate(2026, 1, 2).month",
    "day": "from datetime import date\ndate(2026, 1, 2).day",
    "hour": "from datetime import datetime\ndatetime(2026, 1, 2, 3).hour",
    "minute": "from datetime import datetime\ndatetime(2026, 1, 2, 3, 4).minute",
    "second": "from datetime import datetime\ndatetime(2026, 1, 2, 3, 4, 5).second",
    "microsecond": "from datetime import datetime\ndatetime(2026, 1, 2, 3, 4, 5, 6).microsecond",
    "days": "from datetime import date\n(date(2026, 3, 1) - date(2026, 2, 1)).days",
    "seconds": "from datetime import timedelta\ntimedelta(hours=25, seconds=3).seconds",
}

SYNTAX: Mapping[str, str] = {
    "AnnAssign": "x: int = 5\nx",
    "Assert": "assert 1 == 2, 'no'",
    "Assign": "a = b = [1]; a.append(2); (c, *d), e = (1, 2, 3), 4; b, c, d, e",
    "AugAssign": "i = 7; i //= 2; i **= 3; i -= 1; i <<= 2; i |= 1; i ^= 3; i &= 255; i %= 100; a = [1]; b = a; a += [2]; i, b",
    "BinOp": "7 // -2, -7 % 3, 2 ** -1, 7 / 2, 'a' * 3, [1] + [2], '%05.1f|%s' % (2.25, 'x'), 6 & 3, 1 << 70, 2 ** 100",
    "BoolOp": "[] or 'x', 1 and 0, None or 0",
    "Break": "n = 0\nwhile True:\n    n += 1\n    if n > 5: break\nn",
    "Call": "(lambda *a, k=1, **kw: (a, k, kw))(1, *[2], k=3, **{'z': 4})",
    "Compare": "1 < 2 < 3, 1 == 1.0, 'a' in 'abc', 3 not in [1], None is None, [1, 2] < [1, 3], (1,) == (1,)",
    "Constant": "1_000, 0x1f, 1e3, 'a' 'b', r'\\n', '\\u00e9\\N{BULLET}', b'x', None, True, ...",
    "Continue": "[n for n in range(3)]\nfor i in range(3):\n    if i == 1: continue\n    print(i)",
    "Dict": "{'a': 1, **{'b': 2}, 'a': 3}, {1: 'x', (1, 2): 'y', None: 0}",
    "DictComp": "{n: n * n for n in range(3)}",
    "Expr": "1\n2",
    "For": "for i, (a, b) in [(1, (2, 3))]:\n    print(i, a, b)\nelse:\n    print('end')",
    "FormattedValue": "x = 3.14159; w = 8\nf'{x:.2f} {x!r} {x:>{w}.1f} {x=} {\"a\":^5} {1234567:,} {0.256:.1%} {{}}'",
    "FunctionDef": "def f(a, b=2, /, c=3, *args, d, e=5, **kw):\n    'doc'\n    return a, b, c, args, d, e, kw\nf(1, d=4), f(1, 2, 3, 4, d=5, z=6)",
    "GeneratorExp": "max(n * n for n in range(4)), ','.join(c for c in 'a1b' if c.isalpha()), list(x for x in 'ab')",
    "Global": "n = 1\ndef f():\n    global n\n    n += 1\nf()\nn",
    "If": "x = 5\nif x > 9: r = 1\nelif x > 4: r = 2\nelse: r = 3\nr",
    "IfExp": "1 if [] else 2",
    "Import": "import math, json as j\nmath.pi, j.dumps([1])",
    "ImportFrom": "from math import sqrt as root, floor\nroot(16), floor(2.5)",
    "JoinedStr": "f'a{1 + 1}b' 'c' f'{None}'",
    "Lambda": "(lambda a, b=2: a + b)(1), sorted([3, 1], key=lambda n: -n), [f() for f in [lambda i=i: i for i in range(2)]]",
    "List": "[1, *[2, 3], 'x']",
    "ListComp": "[(x, y) for x in 'ab' for y in range(2) if y or x == 'a'], [[j for j in range(i)] for i in range(3)]",
    "Name": "x = 1; x, __name__",
    "NamedExpr": "(y := 5) + y, [y for x in range(2) if (y := x)]",
    "Nonlocal": "def outer():\n    n = 0\n    def inner():\n        nonlocal n\n        n += 1\n        return n\n    inner()\n    return inner()\nouter()",
    "Pass": "def f(): pass\nf()",
    "Raise": "def f():\n    raise ValueError('bad')\nf()",
    "Return": "def f(x):\n    if x: return 1\n    return\nf(1), f(0)",
    "Set": "len({1, 2, 1}), 1 in {1}, {1, 2} == {2, 1}, sorted({1} | {2}), sorted({1, 2} & {2}), sorted({1, 2} - {2})",
    "SetComp": "len({n % 2 for n in range(5)})",
    "Slice": "'abcdef'[1:4], [1, 2, 3][::-1], 'abc'[-2:], 'abc'[5:]",
    "Starred": "a, *b = 1, 2, 3; print(*b); [*b, *'x'], (*b,)",
    "Subscript": "a = [1, 2, 3, 4]; a[1:3] = [9]; a[0] = 7; d = {'x': {'y': 1}}; d['x']['z'] = 2; a, a[-1], d",
    "Try": "def f(x):\n    try:\n        return 10 / x\n    except (ZeroDivisionError, TypeError):\n        return None\n    else:\n        print('else')\n    finally:\n        print('finally')\nf(0), f(2), f('a')",
    "Tuple": "(), (1,), (1, *[2])",
    "UnaryOp": "-3, +2, not [], ~5, -True",
    "While": "n = 3\nwhile n:\n    n -= 1\nelse:\n    print('done')\nn",
}
"""Statements and expressions, by the name of their node in ``ast``."""

DIFFERS: Mapping[str, tuple[str, str]] = {
    "as of except": (
        "its message is worded differently",
        "try:\n    [1].index(9)\nexcept ValueError as e:\n    r = str(e)\nr",
    ),
    "class": (
        "there is no inheritance, and most special methods are not called",
        "class A:\n    def __len__(self): return 3\nlen(A())",
    ),
    "del": ("it is not there", "d = {1: 2}\ndel d[1]\nd"),
    "generator function": ("yield is not there", "def f():\n    yield 1\nlist(f())"),
    "hash": ("its numbers are others", "hash((1, 2))"),
    "lazy any, all, next": ("a generator is worked through whole", "any(1 / n for n in [1, 0])"),
    "lazy enumerate, zip, map, filter, reversed": (
        "they work through everything at once",
        "a = [1, 2, 3]\nfor i, x in enumerate(a):\n    if x == 1: a.pop()\n    print(x)",
    ),
    "order of a set": ("members come in another order", "list({5, 3, 1})"),
    "round to digits": ("the last digit of a float may differ", "round(2.675, 2)"),
    "range as value": ("it comes back as text", "range(3)"),
    "replace of a date": ("positions are not taken", "from datetime import date\ndate(2026, 2, 3).replace(2025)"),
    "two arguments to an exception": ("only one is taken", "raise ValueError('x', 2)"),
    "attributes of a class": ("methods cannot be read off it", "list(map(str.upper, ['a']))"),
    "methods as values": ("they cannot be read without a call", "max({'a': 1, 'b': 2}, key={'a': 1, 'b': 2}.get)"),
    "fractions of a timedelta": (
        "only whole numbers are taken",
        "from datetime import timedelta\ntimedelta(hours=1.5)",
    ),
    "encodings": ("only UTF-8 and few others are there", "'é'.encode('latin-1')"),
    "return outside a function": ("it is let through", "return 5"),
    "bytes of numbers": ("a list is not taken", "bytes([65, 66])"),
    "width of anything": ("values that cannot be padded are padded", "f'{None:>5}'"),
    "digits of other scripts": ("they are not read as numbers", "int('\u0661\u0662')"),
    "not a number": ("two of them in lists are equal", "[float('nan')] == [float('nan')]"),
    "lone surrogates": ("text cannot hold them", "print('\\ud800' == '\\udfff')"),
    "keys that are equal but of two types": ("the later one stays", "{1: 'a', True: 'b'}"),
    "recursion through a builtin": (
        "it goes to a small depth only",
        "def d(n): return max(map(d, [n - 1])) + 1 if n else 0\nd(50)",
    ),
    "exit": ("it is not there", "exit()"),
    "with": ("there are no files to open", "with open('no such file') as f: pass"),
}
"""Left out because the answer is another: what, why, and a program that shows it."""
