#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-only
"""Writes tests/unit/engine/templatecases.jsonl: small templates with what the real Jinja2, configured as Hugging Face
transformers configures it, makes of them. Needs jinja2. Run: templatecases.py [OUTPUT]"""
import json
import pathlib
import sys
from datetime import datetime

import jinja2
import jinja2.ext
import jinja2.nodes
import jinja2.sandbox

NOW = datetime(2026, 7, 4, 9, 30)


class Generation(jinja2.ext.Extension):
    tags = {"generation"}

    def parse(self, parser):
        line = next(parser.stream).lineno
        body = parser.parse_statements(["name:endgeneration"], drop_needle=True)
        return jinja2.nodes.CallBlock(self.call_method("_run"), [], [], body).set_lineno(line)

    def _run(self, caller):
        return caller()


def environment():
    def raise_exception(message):
        raise jinja2.exceptions.TemplateError(message)

    def tojson(x, ensure_ascii=False, indent=None, separators=None, sort_keys=False):
        return json.dumps(x, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)

    env = jinja2.sandbox.ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True,
                                                       extensions=[Generation, jinja2.ext.loopcontrols])
    env.filters["tojson"] = tojson
    env.globals["raise_exception"] = raise_exception
    env.globals["strftime_now"] = lambda format: NOW.strftime(format)
    return env


CONTEXT = {
    "t": "Hello World", "u": "größe Ω日本😀", "empty": "", "n": 7, "neg": -3, "f": 2.5, "yes": True, "no": False,
    "none": None, "big": 18446744073709551615, "xs": [3, 1, 2], "words": ["pear", "Apple", "fig"], "nested": [[1, 2], [3, 4]],
    "d": {"b": 1, "a": {"x": [1, "two", None, True, 2.0]}, "items": "shadow"},
    "people": [{"name": "Zoe", "age": 30, "city": "Bonn"}, {"name": "adam", "age": 25, "city": "Köln"},
               {"name": "Eve", "age": 30, "city": "Bonn", "nick": "E"}],
    "tree": [{"v": 1, "kids": [{"v": 2, "kids": []}, {"v": 3, "kids": [{"v": 4, "kids": []}]}]}],
    "floats": [0.1, 1e16, 1e-5, 1e22, 123456789.123, -0.0, 1.0, 1e15, 5e-324, 1.7976931348623157e308],
    "messy": "  a\tb \n c\r\nd  ", "quote": "it's \"q\" \\ \x07 \x7f \u00a0 \u200b", "html": "<b>&'\"</b>",
}

EXPRESSIONS = r"""
1 + 2 * 3 - 4 / 2|7 // 2|-7 // 2|7 % 3|-7 % 3|7.5 // 2|-7.5 % 2|2 ** 3 ** 2|-2 ** 2|2 ** -1|1 / 3|10 / 5|1e3|1_000|0x1F|0b11|0o17|1.5e-7
1 < 2 < 3|1 < 2 > 3|1 == 1.0 == true|not 1 == 2|not not yes|1 in xs|5 not in xs|'a' in d|'ell' in t|2 in xs and 3 in xs
'a' ~ 1 ~ none ~ true ~ 2.0 ~ undefinedthing|'ab' * 3|3 * 'ab'|[1] * 2|[1] + [2]|(1,) + (2, 3)|'x' 'y' "z"|1 if yes else 2|1 if no else 2|1 if no
(1 if no) is undefined|xs[0]|xs[-1]|xs[5]|xs[1:]|xs[::-1]|xs[::2]|xs[-2:]|t[::-1]|t[1:5:2]|u[4]|u[-1]|u[::-1]|u[2:7]|u|length|xs[10:]|xs[:-1]|(1,2,3)[1:]|t[100]|xs[true]
d.a.x|d.items|d['items']|d['keys']|d.get('b')|d.get('zz')|d.get('zz', 9)|d.keys()|d.values()|d.keys()|list|d.a.x.1|d.zz|d.zz is defined|d['zz'] is defined|xs.zz is undefined
1, 2|(1,)|()|[]|{}|[1, 'a', none, true, 2.5, (1, 2), {'k': [u]}]|{'a': 1, 2: 'b', (1, 2): 3, none: 4}|{'a': 1, 'a': 2}|{1: 'x', true: 'y', 1.0: 'z'}
quote|[quote]|messy|[messy]|floats|floats[0]|big|[big]|[none, true, false]|yes|none|undefinedthing|[undefinedthing]|u|[u]|big + 1|10 ** 20|-big
xs|sort|xs|sort(reverse=true)|words|sort|words|sort(case_sensitive=true)|people|sort(attribute='age')|map(attribute='name')|list|people|sort(attribute='age,name')|map(attribute='name')|join(',')
xs|join|xs|join(', ')|people|join('-', attribute='name')|xs|first|xs|last|empty|first|[]|first is undefined|xs|length|xs|count|t|length|d|length|xs|sum|people|sum(attribute='age')|people|sum('age', 10)
xs|max|xs|min|words|max|words|min|words|min(case_sensitive=true)|people|max(attribute='age')|[]|max|xs|reverse|list|t|reverse|words|map('upper')|list|words|map('length')|sum|words|map('replace', 'p', 'q')|list
people|map(attribute='nick', default='-')|list|people|selectattr('nick')|list|length|people|selectattr('age', 'equalto', 30)|map(attribute='name')|list|people|rejectattr('age', 'gt', 26)|map(attribute='name')|list|people|rejectattr('nick', 'defined')|list|length|xs|select('odd')|list|xs|reject('odd')|list|[0, 1, '', 'a']|select|list|[0, 1]|reject|list|xs|select('gt', 1)|list
people|groupby('city')|map(attribute='grouper')|list|people|groupby('city')|map('first')|list|(people|groupby('age'))[0].list|length|people|groupby('nick', default='?')|map(attribute=0)|list|words|groupby('0')|list
xs|batch(2)|list|xs|batch(2, 'x')|list|range(7)|slice(3)|list|range(7)|slice(3, '-')|list|xs|unique|list|['a', 'A', 'b']|unique|list|['a', 'A']|unique(case_sensitive=true)|list|people|unique(attribute='city')|map(attribute='name')|list
d|dictsort|{'b': 1, 'A': 2, 'c': 0}|dictsort|{'b': 1, 'A': 2}|dictsort(true)|{'b': 1, 'A': 2}|dictsort(by='value', reverse=true)|d|items|list|none|default('x')|undefinedthing|default('x')|undefinedthing|d('y')|empty|default('x', true)|none|default('x', true)|undefinedthing|default
-5|abs|-5.5|abs|2.5|round|3.5|round|-2.5|round|2.675|round(2)|42.55|round(1, 'floor')|42.51|round(1, 'ceil')|1234|round(-2)|7|round|7|round(1, 'floor')|'42'|int|'42.9'|int|'x'|int|'x'|int(5)|'0x1f'|int(0, 16)|'1f'|int(base=16)|3.99|int|-3.99|int|true|int|none|int|' 7 '|int|'1_0'|int|'3.5'|float|'x'|float|'x'|float(1.5)|5|float|'1e3'|float|'inf'|float|'-inf'|float
t|upper|t|lower|t|title|'hello-world (foo) bar'|title|'they\'re'|title|t|capitalize|u|upper|u|capitalize|'ß'|upper|'ǅ'|lower|'ΑΣ ΣΑ'|lower|t|replace('l', 'L')|t|replace('l', 'L', 1)|'aaa'|replace('a', 'b', 2)|t|trim|messy|trim|'xxaxx'|trim('x')|t|wordcount|'a-b c_d é1'|wordcount|t|center(20)|t|center(21) ~ '|'|'abc'|center(8) ~ '|'
'a\nb\n\nc'|indent|'a\nb\n\nc'|indent(2, true)|'a\nb\n\nc'|indent(2, blank=true)|'a\nb'|indent('> ')|'a\nb'|indent(width='>>', first=true)|'foo bar baz qux'|truncate(9)|'foo bar baz qux'|truncate(9, true)|'foo bar baz qux'|truncate(11)|'foo bar baz qux'|truncate(11, false, '...', 0)|'foobarbazquxabcdef'|truncate(9)
html|escape|html|e|html|escape|escape|html|forceescape|html|safe|(html|safe) + '<'|(html|escape) ~ '<'|'<p>a  <b>b</b><!-- c --> &amp; d</p>'|striptags|'a b/c?d=é&'|urlencode|{'a b': 'c&d', 'e': 1}|urlencode|[('x', 'y z')]|urlencode
'%s is %d and %.2f'|format('a', 3, 2.5)|'%(a)s-%(b)05d'|format(a=1, b=2)|'%5s|%-5s|'|format('a', 'b')|'%x %X %o %e %g %c %%'|format(255, 255, 8, 12345.678, 0.0001, 65)|'%+d % d %05d %-5d|'|format(1, 2, 3, 4)|'%r' % 'it\'s'|'%s' % xs|'%s %s' % (1, none)|'%.3s' % t|'%05.1f' % 3.14159|'%i' % 3.9|'%(k)s' % {'k': 1}|'%*d' % (5, 3)|'%s' % undefinedthing
'{} {}'.format(1, 'a')|'{0} {1} {0}'.format(1, 2)|'{a} {b!r}'.format(a=1, b='x')|'{:>5}|{:<5}|{:^5}'.format('a', 'b', 'c')|'{:05d} {:x} {:#x} {:b} {:,}'.format(42, 255, 255, 5, 1234567)|'{:.2f} {:e} {:g} {:%}'.format(3.14159, 12345.678, 0.5, 0.25)|'{:*^9}'.format('mid')|'{{}}'.format()|'{0[0]} {1[b]}'.format(xs, d)|'{:{}}'.format('x', 4) ~ '|'|'{:+} {: }'.format(3, 4)|'{:10.3f}|'.format(2.0)|'{!s}'.format(none)
'{:_x} {:_b} {:_o} {:#_X}'.format(1048575, 37, 4096, -1048575)|'{:_}'.format(1234567)|'{:,x}'.format(255)|'{:08,} {:09,} {:04,}'.format(12345, 12345, 12345)|'{:+08,}'.format(-12345)|'{:012,.2f} {:,.0%} {:08,}'.format(1234.5, 12.5, f * 1e308)|'{:012_x}|{:#012_x}'.format(65535, 65535)|'{:0>9,}|{:0=9,}'.format(12345, 12345)|'{:#06x}|%#06x'.format(255) % 255
('\u3000é\u2003' * 2)|trim|'é\u3000'.rstrip() ~ '|'|'a\u2003é'.rsplit()|'xéé'.strip('é')|'é\u3000 b'.rsplit(none, 1)
'{:,}'.format(false)|'{:5}|{}|{:d}'.format(true, true, true)|'{!a}'.format('é€😀')|'{!a}|{!r}'.format([u], u)|'%a' % 'é€'|'%.4a|%8a|' % ('é', 'é')
d|tojson|d|tojson(indent=2)|xs|tojson(indent=4)|[]|tojson(indent=2)|{}|tojson(indent=2)|{'b': [], 'a': {}}|tojson(indent=1, sort_keys=true)|d|tojson(separators=(',', ':'))|u|tojson|u|tojson(ensure_ascii=true)|quote|tojson|html|tojson|floats|tojson|[none, true, 1.0, 'x']|tojson|{1: 2, none: 3, true: 4, 2.5: 5}|tojson|(1, 2)|tojson|d|tojson(true)|xs|tojson(indent='--')|messy|tojson|big|tojson
t.split()|t.split('o')|t.split('l', 1)|messy.split()|messy.split(' ')|messy.split(none, 1)|t.rsplit('o', 1)|messy.rsplit(none, 1)|t.split(sep='o', maxsplit=1)|' a b '.strip() ~ '|'|'xxaxx'.strip('x')|'abcab'.lstrip('ba')|'abcab'.rstrip('ba')|t.startswith('He')|t.startswith(('x', 'H'))|t.endswith('ld')|t.endswith(('q', 'ld'))|t.startswith('l', 2)|t.replace('l', 'L')|t.replace('l', 'L', 1)|'abc'.replace('', '-')|'abc'.replace('', '-', 2)
t.find('o')|t.find('o', 5)|t.find('zz')|t.rfind('o')|t.index('W')|t.count('l')|t.count('')|u.find('日')|u.count('ö')|t.upper()|t.lower()|t.title()|'it\'s a dog'.title()|t.capitalize()|t.swapcase()|'-'.join(words)|', '.join(d)|'7'.zfill(3)|'-7'.zfill(4)|'a'.center(6) ~ '|'|'a'.ljust(4) ~ '|'|'a'.rjust(4) ~ '|'|'ab'.center(5, '*')|'a\tb'.expandtabs(4)
'12'.isdigit()|'²'.isdigit()|'²'.isdecimal()|'½'.isnumeric()|'aB'.isalpha()|'a1'.isalnum()|' \t'.isspace()|'ab'.islower()|'AB'.isupper()|'Ab Cd'.istitle()|''.isdigit()|'é'.isalpha()|'a_1'.isidentifier()|'é'.isascii()|'a\n'.isprintable()|'prefix-x'.removeprefix('prefix-')|'x.py'.removesuffix('.py')|'a\nb\r\nc\x0bd'.splitlines()|'a\nb\n'.splitlines(true)|'k=v=w'.partition('=')|'k=v=w'.rpartition('=')|'kv'.partition('=')|'kv'.rpartition('=')|'STRASSE'.casefold()
xs.count(1)|xs.index(2)|(1, 2).index(2)|xs.copy()|d.copy().b|(2.0).is_integer()|range(5)|range(5)|list|range(1, 10, 3)|list|range(5, 0, -2)|list|range(3)[1]|range(10)|length|range(3) == range(3)|dict(a=1, b=2)|dict([('a', 1)], b=2)|dict({'x': 1})|namespace(a=1).a|namespace({'q': 5}).q|namespace(a=1)|1 in range(3)
1 is number|1.5 is number|true is number|true is integer|1 is integer|1.5 is float|true is boolean|1 is boolean|t is string|1 is string|xs is iterable|t is iterable|1 is iterable|d is iterable|d is mapping|xs is mapping|xs is sequence|d is sequence|t is sequence|1 is sequence|(1,) is sequence|undefinedthing is defined|undefinedthing is undefined|t is defined|none is none|t is none|none is defined|yes is true|no is false|1 is true
4 is even|3 is odd|4 is odd|9 is divisibleby 3|9 is divisibleby(4)|1 is eq 1|1 is equalto 2|1 is ne 2|1 is lt 2|2 is le 2|3 is gt 2|3 is ge 4|1 is == 1|1 is in xs|5 is in(xs)|'abc' is lower|'ABC' is upper|'aBc' is lower|none is sameas none|1 is sameas 1|range is callable|t is callable|t is not string|t is not none and yes|'upper' is filter|'odd' is test|html is escaped|(html|safe) is escaped|range(3) is iterable|range(3) is sequence
1 == '1'|none == false|[1, 2] == [1, 2]|(1, 2) == [1, 2]|{'a': 1} == {'a': 1}|[1, 2] < [1, 3]|'a' < 'b'|'Z' < 'a'|u > t|(1, 'a') < (1, 'b')|undefinedthing == undefinedthing2|undefinedthing == none|yes == 1|yes + 1|-yes|+2|- - 2|xs|length > 2|-1|abs|(-1)|abs|2|float / 4
yes and 'a'|no or 'b'|empty or none or 'c'|'a' and ''|xs and 1|[] or 'e'|not []|not xs|xs|select('gt', 99) and 'true'|(xs|select('gt', 99)|list) and 'true'|d.items() | list|d.a.items()|list|t|list|d|list|none|string|[1]|string|1.0|string|t|string|xs|pprint|t|attr('upper') is callable|d|attr('b')|xs|map('string')|join('+')
strftime_now('%Y-%m-%d')|strftime_now('%d %b %Y')|strftime_now('%A, %B %d, %Y')|strftime_now('%H:%M:%S')|strftime_now('%j %y %a %I %p %%')|strftime_now('%-d %e')|'\x41\u00e9\U0001F600\101\n\q\''|'a\
b'|"tab\there"|'{{ not a tag }}'|'%}'|{'a': {'b': {}}}['a']['b']|{'a': 1}.a|[[1, 2], [3]][0][1]|(xs)[0]|t.upper().lower()|t|upper|lower|xs[0:2][1]|xs[n - 6]|d[words[0]] is defined|cycler('a', 'b').next()|joiner(', ')() ~ 'x'
"""

ERRORS = r"""
1 + 'a'|'a' + 1|[1] + 'a'|1 - 'a'|[1] - [2]|1 / 0|1 // 0|1 % 0|1.0 / 0|'a' * 'b'|'a' < 1|1 < 'a'|none < 1|xs < 1|{} < {}|-'a'|undefinedthing.x|undefinedthing['x']|undefinedthing()|undefinedthing + 1|1 + undefinedthing|undefinedthing < 1|-undefinedthing
xs.append(1)|xs.pop()|d.update({})|d.pop('b')|d.setdefault('q', 1)|xs.sort()|none.x|none.x.y|none[0].x|t.nosuch()|d.nosuch()|xs.startswith('a')|d.zz.y|xs[9].x|t.__class__.x|xs.__len__()|1()|t()|none()|'a' in 1|1 in 'a'|1 in none
xs|nosuchfilter|xs is nosuchtest|5|length|none|length|(xs|map('upper'))|length|none|list|5|join|xs|join(1)|sort|{'a': 1} < 1|[1, 'a']|sort|[1, 'a']|max|5|first|xs|first(1)|d|sort(nosuch=1)|xs|batch|none|items|xs|map|xs|select('nosuchtest')|list|raise_exception('boom')|raise_exception('größe')
t.index('zz')|xs.index(99)|t.split('')|'a'.join([1])|'%d' % 'x'|'%s %s' % 1|'%s' % (1, 2)|'%(a)s' % {}|'%q' % 1|'{a}'.format()|'{'.format()|'}'.format()|'{:d}'.format('x')|t|int + 'a'|undefinedthing|tojson|{(1,): 2}|tojson|range|tojson|xs[::0]|{[]: 1}|{{}: 1}|range(1, 2, 0)|range(10 ** 6)|dict(5)|'abc'|truncate(1)|3|round(1, 'bad')|none|abs|xs|sum(attribute='x')|words|sum|t.startswith(1)|t.strip(1)|t.center('a')|undefinedthing|int|undefinedthing|abs|namespace(5)
"""

TEMPLATES = [
    # white space control
    "a\n  {% if yes %}\n  b\n  {% endif %}\nc\n", "a {%- if yes -%} b {%- endif -%} c", "a\n {%+ if yes +%}\nb\n {%+ endif %}\nc",
    "{{- t -}}  x  {{- n }}", "x\n{# comment #}\ny {# c #} z\n   {#- c -#}   w\n  {# a\nb #}\nq", "{% if yes +%}\n\nx{% endif %}\n\n",
    "  {{ t }}\n  {{- n }}\n", "\n\n{% set a = 1 %}\n\n{{ a }}\n\n", "line\r\nnext\rlast\r\n", "{% raw %}{{ x }} {% y %}{% endraw %}!",
    "a {%- raw -%}  {{ x }}  {%- endraw -%} b", "  {% raw %}\n x\n  {% endraw %}\ny", "{{ '}}' }}{{ {'a': {'b': 1}} }}{{ {'a':{}}}}",
    "a\u3000{%- if yes -%}\u3000b\u2003{{- n -}}\xa0c{% endif %}\n\u3000{% if yes %}d{% endif %}",
    "\t {% if yes %}\n\tx{% endif %}\t{% if yes %}y{% endif %}\n", "a\n\n   {%- if yes %}\n\n  b{% endif %}", "{{ t }}\n", "{{ t }}\n\n", "",
    "{% if yes %}{# c #}\n{% endif %}\n|", "{#- x -#}\n a", "a{# unfinished", "{", "{ {", "a { b } % } #}", "}} %}",
    # if
    "{% if n > 5 %}big{% elif n > 3 %}mid{% else %}small{% endif %}", "{% if no %}a{% elif no %}b{% elif yes %}c{% endif %}",
    "{% if not no and (yes or no) %}x{% endif %}", "{% if undefinedthing %}a{% else %}b{% endif %}", "{% if xs %}{% if d %}in{% endif %}{% endif %}",
    "{% if yes: %}colon{% endif %}", "{% if 1, 2 %}tuple{% endif %}",
    # for
    "{% for x in xs %}{{ x }}{% if not loop.last %},{% endif %}{% endfor %}", "{% for x in [] %}a{% else %}none{% endfor %}",
    "{% for x in xs %}{{ loop.index }}{{ loop.index0 }}{{ loop.revindex }}{{ loop.revindex0 }}{{ loop.first }}{{ loop.last }}{{ loop.length }};{% endfor %}",
    "{% for x in xs if x > 1 %}{{ loop.index }}:{{ x }}/{{ loop.length }} {% endfor %}", "{% for x in xs if x > 9 %}a{% else %}b{% endfor %}",
    "{% for k, v in d.items() %}{{ k }}={{ v }};{% endfor %}", "{% for k in d %}{{ k }}{% endfor %}", "{% for c in u %}[{{ c }}]{% endfor %}",
    "{% for a, b in nested %}{{ a }}-{{ b }} {% endfor %}", "{% for (a, (b, c)) in [(1, (2, 3))] %}{{ a }}{{ b }}{{ c }}{% endfor %}",
    "{% for x in xs %}{{ loop.previtem }}<{{ x }}>{{ loop.nextitem }} {% endfor %}", "{% for x in xs %}{{ loop.previtem is defined }}{{ loop.nextitem is defined }}{% endfor %}",
    "{% for x in xs %}{{ loop.cycle('a', 'b') }}{% endfor %}", "{% for p in people %}{{ loop.changed(p.age) }} {% endfor %}",
    "{% for x in tree recursive %}{{ x.v }}@{{ loop.depth }}({{ loop(x.kids) }}){% endfor %}", "{% for x in xs %}{% for y in xs %}{{ loop.index }}{% endfor %}{{ loop.index }} {% endfor %}",
    "{% for x in range(10) %}{% if x == 2 %}{% continue %}{% endif %}{% if x == 5 %}{% break %}{% endif %}{{ x }}{% endfor %}",
    "{% for x in undefinedthing %}a{% else %}e{% endfor %}", "{% for x in none %}{% endfor %}", "{% for x in 5 %}{% endfor %}", "{% for a, b in xs %}{% endfor %}", "{% for a, b in [(1, 2, 3)] %}{% endfor %}",
    "{% for x in xs %}{% set y = x %}{% endfor %}{{ y is defined }}", "{% set y = 0 %}{% for x in xs %}{% set y = y + x %}{{ y }} {% endfor %}{{ y }}",
    "{% set ns = namespace(t=0) %}{% for x in xs %}{% set ns.t = ns.t + x %}{% endfor %}{{ ns.t }}", "{% for x in xs %}{{ loop }}{% endfor %}", "{{ loop is defined }}",
    "{% for x in xs|sort %}{{ x }}{% endfor %}{{ x is defined }}", "{% for x in 'ab', 'cd' %}{{ x }};{% endfor %}", "{% for x in xs %}{% if loop.first %}{% continue %}{% endif %}{{ x }}{% else %}no{% endfor %}",
    "{% for x in xs %}{{ loop.nosuch is defined }}{% endfor %}", "{% for m in people %}{% if loop.index0 != 0 and people[loop.index0 - 1].city != m.city %}*{% endif %}{{ m.name }} {% endfor %}",
    "{% for k, g in people|groupby('city') %}{{ k }}: {% for p in g %}{{ p.name }} {% endfor %}{% endfor %}", "{% set g = xs|map('string') %}{{ g|list }}{{ g|list }}",
    "{% for x in xs recursive %}{{ x }}{% endfor %}", "{% for x in xs %}{{ loop(xs) }}{% endfor %}", "{% for x in xs[::-1] %}{{ x }}{% endfor %}",
    # else of loops that end early; break and continue in it
    "{% for x in xs %}{% for y in [] %}{% else %}{% break %}{% endfor %}{{ x }}{% endfor %}", "{% for x in xs %}{% for y in [] %}{% else %}{% continue %}{% endfor %}{{ x }}{% endfor %}",
    "{% for x in [1] %}{% continue %}{% else %}E{% endfor %}", "{% for x in [1, 2] %}{% break %}{% else %}E{% endfor %}", "{% for x in [1, 2] %}{% if x == 2 %}{% break %}{% endif %}{{ x }}{% else %}E{% endfor %}",
    "{% for x in [1, 2] %}{% if x == 1 %}{% continue %}{% endif %}{{ x }}{% else %}E{% endfor %}", "{% for x in [] %}{% else %}{% break %}{% endfor %}", "{% for x in xs %}{% for y in [] recursive %}{% else %}{% break %}{% endfor %}{% endfor %}",
    "{% for x in xs %}{% for y in [1] recursive %}{{ y }}{% break %}{% else %}E{% endfor %}{{ x }}{% endfor %}", "{% for x in xs %}{% for y in [1] %}{% break %}{% else %}{% if x == 1 %}{% continue %}{% endif %}E{% endfor %}{{ x }}{% endfor %}",
    "{% for x in xs if x > 1 %}{% continue %}{% else %}{{ x is defined }}{{ loop is defined }}{% endfor %}", "{% for x in xs %}{% for y in [3] %}{% continue %}{% else %}{{ loop.index }}{{ y is defined }}{{ x }};{% endfor %}{% endfor %}",
    # set
    "{% set a, b = 1, 2 %}{{ a }}{{ b }}", "{% set a = 1, 2 %}{{ a }}", "{% set (a, b) = (b, a) %}", "{% set x %}body {{ n }}{% endset %}[{{ x }}]", "{% set x | upper %}body{% endset %}{{ x }}",
    "{% set x | replace('b', 'c') | upper %}bod{% endset %}{{ x }}", "{% set x.y = 1 %}", "{% set xs.y = 1 %}", "{% set ns = namespace() %}{% set ns.a, ns.b = 1, 2 %}{{ ns.a }}{{ ns.b }}{{ ns.c is defined }}",
    "{% set ns = namespace(xs=[]) %}{% for x in range(3) %}{% set ns.xs = ns.xs + [x] %}{% endfor %}{{ ns.xs }}", "{% set ns = namespace(a=1) %}{% set ns.b %}blk{% endset %}{{ ns }}{{ ns.b }}{{ ns['a'] }}", "{% if yes %}{% set q = 1 %}{% endif %}{{ q }}",
    "{% set x %}{% set inner = 1 %}{% endset %}{{ inner is defined }}", "{% set a = b = 1 %}", "{% set a, b = 1 %}", "{% set none = 1 %}", "{% set a, = [1] %}{{ a }}",
    # macro, call, filter
    "{% macro m(a, b=2, c='x') %}{{ a }}{{ b }}{{ c }}{% endmacro %}{{ m(1) }}|{{ m(1, 3) }}|{{ m(1, c='z') }}|{{ m(b=5, a=4) }}|{{ m() }}",
    "{% macro m() %}{{ varargs }}{{ kwargs }}{% endmacro %}{{ m(1, 2, x=3) }}", "{% macro m(a) %}{% endmacro %}{{ m(1, 2) }}", "{% macro m(a) %}{% endmacro %}{{ m(q=2) }}", "{% macro m(a, b=a) %}{{ a }}{{ b }}{% endmacro %}{{ m(1) }}",
    "{% macro fact(n) %}{% if n < 2 %}1{% else %}{{ n * fact(n - 1)|int }}{% endif %}{% endmacro %}{{ fact(10) }}", "{% macro m() %}[{{ caller() }}]{% endmacro %}{% call m() %}body{% endcall %}",
    "{% macro m(xs) %}{% for x in xs %}{{ caller(x, loop.index) }}{% endfor %}{% endmacro %}{% call(v, i) m(xs) %}{{ i }}={{ v }};{% endcall %}", "{% macro m() %}{{ caller is defined }}{{ caller }}{% endmacro %}{{ m() }}",
    "{% macro m() %}x{% endmacro %}{% call m() %}b{% endcall %}", "{% filter upper %}abc {{ t }}{% endfilter %}", "{% filter replace('a', 'b')|upper %}banana{% endfilter %}", "{% filter indent(2) %}a\nb{% endfilter %}",
    "{% macro m(a) %}{% set z = a %}{{ z }}{% endmacro %}{{ m(1) }}{{ z is defined }}", "{% set x = 1 %}{% macro m() %}{{ x }}{% endmacro %}{% set x = 2 %}{{ m() }}", "{% macro m() %}{{ y }}{% endmacro %}{% set y = 3 %}{{ m() }}",
    "{% macro outer() %}{% macro inner() %}in{% endmacro %}{{ inner() }}{% endmacro %}{{ outer() }}{{ inner is defined }}", "{% macro m(a) %}{{ a is defined }}{% endmacro %}{{ m() }}{{ m(none) }}", "{% macro m(a) %}{{ a }}{% endmacro %}{{ m.name }}{{ m.arguments }}{{ m is callable }}{{ m }}",
    "{% macro m(a, b) %}{{ a }}{{ b }}{% endmacro %}{{ m(*xs[:2]) }}{{ m(**{'a': 1, 'b': 2}) }}", "{% macro a() %}{{ b() }}{% endmacro %}{% macro b() %}B{% endmacro %}{{ a() }}", "{% macro m(x) %}  {{- x -}}  {% endmacro %}[{{ m(1) }}]", "{% macro m() %}a{% endmacro %}{{ m()|upper ~ m()|length }}",
    "{% macro r(n) %}{{ n }}{% if n > 0 %}{{ r(n - 1) }}{% endif %}{% endmacro %}{{ r(40) }}", "{% macro m(a=1, b) %}{% endmacro %}", "{% for x in xs %}{% macro m() %}{{ x }}{% endmacro %}{{ m() }}{% endfor %}", "{% call t.upper() %}x{% endcall %}",
    # with, generation, scoping
    "{% with a = 1, b = 2 %}{{ a + b }}{% endwith %}{{ a is defined }}", "{% set a = 5 %}{% with a = 1, b = a %}{{ b }}{% endwith %}", "{% with %}{% set q = 1 %}{{ q }}{% endwith %}{{ q is defined }}",
    "{% generation %}said {{ t }}{% endgeneration %}!", "{% generation %}{% set q = 1 %}{% endgeneration %}{{ q is defined }}", "  {% generation %}\n x\n  {%- endgeneration %}\ny", "{% filter upper %}{% set q = 1 %}{% endfilter %}{{ q is defined }}",
    "{% set j = joiner(' | ') %}{% for x in xs %}{{ j() }}{{ x }}{% endfor %}", "{% set c = cycler('a', 'b') %}{{ c.next() }}{{ c.current }}{{ c.next() }}{{ c.next() }}{{ c.reset() }}{{ c.current }}",
    "{% set a %}{{ html }}{% endset %}{{ a + '<' }}", "{% macro m() %}<b>{% endmacro %}{{ m() + '<' }}", "{{ people|map(attribute='name')|join(', ') }}", "{% set x = people|selectattr('age', 'gt', 99) %}{% if x %}truthy{% endif %}{% if x|list %}never{% endif %}",
    "{{ 'a' if x is defined else 'b' }}", "{{ t if t is string else t|tojson }}", "{{ (t if no else u)|length }}", "{{ xs|length == 3 and 'y' or 'n' }}", "{{ people[0]['name'] ~ ': ' ~ people[0].age }}", "{{ '\\n' }}|{{ \"\\t\" }}|{{ 'a\\\\b' }}",
    # syntax errors
    "{% if %}{% endif %}", "{% if yes %}", "{% endif %}", "{% for x xs %}{% endfor %}", "{{ }}", "{{ 1 + }}", "{{ (1 }}", "{{ [1 }}", "{{ 1) }}", "{% nosuch %}", "{{ 'abc }}", "{{ a b }}", "{% for x in xs %}{% endif %}",
    "{% break %}", "{% macro %}{% endmacro %}", "{% set %}", "{{ x | }}", "{{ x is }}", "{{ 1 ! 2 }}", "{{ f(a=1, 2) }}", "{{ x is string is string }}", "{% call 5 %}{% endcall %}", "{{ ? }}", "{% else %}", "{{ a.}}", "{% do x %}",
]


def cases():
    for line in EXPRESSIONS.strip().replace("\\\n", "\\\0").split("\n"):
        yield from split(line.replace("\0", "\n"))
    for line in ERRORS.strip().split("\n"):
        yield from split(line)
    yield from TEMPLATES


FILTERS = set(jinja2.filters.FILTERS) | {"tojson", "nosuchfilter"}


def split(line):
    """Expressions stand between bars; a bar before a filter's name, outside quotes and brackets or not, is a filter."""
    expression, quote, depth = "", None, 0
    position = 0
    while position < len(line):
        char = line[position]
        if quote:
            if char == "\\":
                expression += char
                position += 1
                char = line[position]
            elif char == quote:
                quote = None
        elif char in "'\"":
            quote = char
        elif char in "([{":
            depth += 1
        elif char in ")]}":
            depth -= 1
        elif char == "|" and depth == 0:
            rest = line[position + 1:].lstrip()
            word = ""
            for letter in rest:
                if not (letter.isalnum() or letter == "_"):
                    break
                word += letter
            after = rest[len(word):]
            if not (word in FILTERS and word != "d" or word == "d" and after.startswith("(")):
                yield "{{ " + expression + " }}"
                expression = ""
                position += 1
                continue
        expression += char
        position += 1
    yield "{{ " + expression + " }}"


def main():
    env = environment()
    rows = [{"context": CONTEXT}]
    seen = set()
    for template in cases():
        if template in seen:
            continue
        seen.add(template)
        row = {"template": template}
        try:
            row["expected"] = env.from_string(template).render(**CONTEXT)
        except Exception as error:
            row["raises"] = str(error)
            row["type"] = type(error).__name__
            if isinstance(error, SyntaxError) or "argument" in row["raises"] and "()" in row["raises"]:
                row["raises"] = ""  # how a call or a tag is malformed is said in our own words
        if " at 0x" in row.get("expected", ""):
            continue
        rows.append(row)
    default = pathlib.Path(__file__).resolve().parent.parent / "unit/engine/templatecases.jsonl"
    target = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else default
    target.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    print(f"{len(rows) - 1} cases, {sum('raises' in row for row in rows)} of them errors: {target}")


main()
