import { describe, expect, it } from '@jest/globals';
import { watchedNamespaces } from '../../../src/config/to-consul.ts';
import { loadConfig, parseConfig } from '../../../src/config/load.ts';
import { load, placedProblemsOf, problemsOf } from './parsing.ts';

describe('a file that is right', () => {
  it('needs no more than a cluster', () => {
    const config = load('');
    expect(config.cluster).toBe('prod');
    expect(config.toKubernetes.removalGrace).toBe(60_000);
    expect(config.consul).toMatchObject({ address: 'http://127.0.0.1:8500', token: '' });
  });

  it('keeps the defaults of what a section does not say', () => {
    expect(load('toConsul: {namespaces: {include: [shop]}}').toConsul).toEqual({
      ...load('').toConsul,
      enabled: true,
      namespaces: { include: ['shop'], exclude: ['kube-system', 'kube-public', 'kube-node-lease'] },
      notReady: 'deregister',
    });
  });

  it.each([
    ['500ms', 500],
    ['0s', 0],
    ['60s', 60_000],
    ['5m', 300_000],
    ['1h', 3_600_000],
    ['2147483647ms', 2 ** 31 - 1],
  ])('the duration %s is %i milliseconds', (text, ms) => {
    expect(load(`toKubernetes: {removalGrace: ${text}}`).toKubernetes.removalGrace).toBe(ms);
  });

  it.each(['a', 'prod-1', 'a'.repeat(40), '0'])('the cluster can be called %s', (cluster) => {
    expect(parseConfig(`cluster: "${cluster}"`, {}).cluster).toBe(cluster);
  });

  it.each(['', '{region}', '{region}/{zone}', 'eu/{zone}/{rack}', 'eu-{zone}'])('a locality can be %j', (locality) => {
    expect(load(`toKubernetes: {istio: {locality: "${locality}"}}`).toKubernetes.istio.locality).toBe(locality);
  });

  it.each([':8080', '0.0.0.0:0', '127.0.0.1:65535', '[::]:8080', 'localhost:80'])('it can listen on %s', (address) => {
    expect(load(`http: {address: "${address}"}`).http.address).toBe(address);
  });
});

describe('namespaces that alone are read', () => {
  const watching = (namespaces: string, more = '') =>
    `cluster: prod\ntoConsul: {watch: namespaces, namespaces: ${namespaces}${more}}`;

  it('are listed by their names, without those that are excluded', () => {
    const { toConsul } = parseConfig(watching('{include: [shop, web, kube-system, web-test], exclude: [web-*]}'), {});
    expect(watchedNamespaces(toConsul)).toEqual(['shop', 'web', 'kube-system']);
  });

  it.each(['*', 'shop-*', '', 'Shop', 'a.b'])('cannot be the pattern %j', (pattern) => {
    expect(problemsOf(watching(`{include: [shop, "${pattern}"]}`))).toEqual([
      `toConsul.namespaces.include.1: expected the name of one namespace and no pattern, because toConsul.watch is namespaces, found "${pattern}"${pattern === 'Shop' ? '; did you mean shop?' : ''}`,
    ]);
  });

  it('have to be named: the default is a pattern', () => {
    expect(problemsOf('cluster: prod\ntoConsul: {watch: namespaces}')).toEqual([
      expect.stringContaining('toConsul.namespaces.include.0: expected the name of one namespace and no pattern'),
    ]);
  });

  it('need no names where nothing is registered, and with the whole cluster patterns are fine', () => {
    expect(() => parseConfig('cluster: prod\ntoConsul: {enabled: false, watch: namespaces}', {})).not.toThrow();
    expect(() => parseConfig('cluster: prod\ntoConsul: {namespaces: {include: [shop-*]}}', {})).not.toThrow();
  });

  it.each(['', 'Shop', 'a/b', '*'])('%j is no namespace that could identify the cluster', (name) => {
    expect(problemsOf(`cluster: prod\nkubernetes: {identityNamespace: "${name}"}`)).toEqual([
      `kubernetes.identityNamespace: expected the name of a namespace, found "${name}"${name === 'Shop' ? '; did you mean shop?' : ''}`,
    ]);
  });
});

it.each(['team in shop', 'team=sh*p'])('pods cannot be selected by %j', (selector) => {
  expect(problemsOf(`cluster: prod\ntoConsul: {selector: "${selector}"}`)).toEqual([
    `toConsul.selector: expected a label selector like team=shop,tier in (web,api),!legacy, found "${selector}"`,
  ]);
});

describe('the prefix of annotations', () => {
  it.each(['consular.dev', 'consular.example.com', 'blue.consular.dev', 'mykubernetes.io', 'consular'])(
    'can be %s, and both directions know it',
    (annotationPrefix) => {
      const config = parseConfig(`cluster: prod\nannotationPrefix: ${annotationPrefix}`, {});
      expect(config.toConsul).toMatchObject({ annotationPrefix });
      expect(config.toKubernetes).toMatchObject({ annotationPrefix });
    },
  );
});

describe('the election of a leader', () => {
  it.each([
    ['', { enabled: 'auto', namespace: '', name: '' }],
    ['enabled: true', { enabled: true, namespace: '', name: '' }],
    ['enabled: false, namespace: ops, name: a.b-c', { enabled: false, namespace: 'ops', name: 'a.b-c' }],
  ])('can be set as {%s}', (text, expected) => {
    expect(load(`leaderElection: {${text}}`).leaderElection).toEqual(expected);
  });

  it.each([
    ['enabled: always', 'leaderElection.enabled: expected auto or true or false, found "always"'],
    ['namespace: a.b', 'leaderElection.namespace: expected the name of a namespace, or nothing, found "a.b"'],
    ['name: A', 'leaderElection.name: expected the name of a Lease, or nothing, found "A"; did you mean a?'],
    ['holder: me', 'leaderElection.holder: expected a known setting, found an unknown one'],
  ])('cannot be set as {%s}', (text, problem) => {
    expect(problemsOf(`cluster: prod\nleaderElection: {${text}}`)).toEqual([problem]);
  });
});

describe('a file that is wrong', () => {
  it.each(['/{zone}', '{zone}/', 'a//b', 'a/b/c/d', '{zone', 'zone}', '{}', 'a b', '{a.b}', 'x'.repeat(201)])(
    'has a locality like %j',
    (locality) => {
      expect(problemsOf(`cluster: prod\ntoKubernetes: {istio: {locality: "${locality}"}}`)).toEqual([
        expect.stringContaining('toKubernetes.istio.locality: expected at most three parts like {region}/{zone}'),
      ]);
    },
  );

  it('reports every problem at once, each with its path, what was expected and what was found', () => {
    const text = `
cluster: Prod
besides: [prod, a--b]
clusters: [a]
consul: {address: "tcp://x", addres: y}
kubernetes: {context: 7}
toConsul: {enabled: "yes", namespaces: {include: [1], exlude: []}, notReady: ignore}
toKubernetes: {namespaces: [], maxServices: 1.5, port: 70000, aliasPort: 1, removalGrace: soon}
http: {address: "8080"}
log: loud
`;
    expect([...problemsOf(text)].sort()).toEqual(
      [
        'cluster: expected a DNS label of at most 40 characters, without "--", found "Prod"; did you mean prod?',
        'besides.1: expected a DNS label of at most 40 characters, without "--", found "a--b"',
        'clusters: expected a known setting, found an unknown one; did you mean cluster?',
        'consul.address: expected an http or https URL without credentials, found "tcp://x"',
        'consul.addres: expected a known setting, found an unknown one; did you mean address?',
        'kubernetes.context: expected a string, found 7; did you mean "7"?',
        'toConsul.enabled: expected a boolean, found "yes"; did you mean true?',
        'toConsul.namespaces.include.0: expected a string, found 1; did you mean "1"?',
        'toConsul.namespaces.exlude: expected a known setting, found an unknown one; did you mean exclude?',
        'toConsul.notReady: expected deregister or critical, found "ignore"',
        'toKubernetes.namespaces: expected at least 1 entry, found an array',
        'toKubernetes.maxServices: expected a whole number, found 1.5',
        'toKubernetes.port: expected at most 65535, found 70000',
        'toKubernetes.aliasPort: expected a boolean, found 1; did you mean true?',
        'toKubernetes.removalGrace: expected a duration like 500ms, 60s, 5m or 1h, found "soon"',
        'http.address: expected an address like 0.0.0.0:8080, found "8080"; did you mean 0.0.0.0:8080?',
        'log: expected an object, found "loud"',
      ].sort(),
    );
  });

  it('names the file and the number of problems in its message', () => {
    expect(() => parseConfig('', {}, 'consular.yaml')).toThrow(
      'configuration consular.yaml: 1 problem\n  cluster: expected a DNS label of at most 40 characters, without "--", found nothing',
    );
  });

  it.each(['', '\n', '# only a comment\n', '---\n', 'null'])('an empty one (%j) lacks the cluster', (text) => {
    expect(problemsOf(text)).toEqual([
      'cluster: expected a DNS label of at most 40 characters, without "--", found nothing',
    ]);
  });

  it.each([
    ['[a]', 'an array'],
    ['hello', '"hello"'],
    ['7', '7'],
  ])('one that is not a mapping (%s) is refused', (text, found) => {
    expect(problemsOf(text)).toEqual([`(top level): expected a mapping of settings, found ${found}`]);
  });

  it.each(['-prod', 'prod-', 'Prod', 'pro.d', 'a--b', 'a'.repeat(41), '', 'a b', 'prod\\n'])(
    'the cluster cannot be called %j',
    (cluster) => {
      expect(problemsOf(`cluster: "${cluster}"`)).toHaveLength(1);
    },
  );

  it.each(['-1s', '0', '1d', '1.5s', '1 s', '', 's', '1S', '25h60m', '2147483648ms', '597h', '9999999999h', '1e3s'])(
    'the duration %j is refused',
    (text) => {
      expect(problemsOf(`cluster: prod\ntoKubernetes: {removalGrace: "${text}"}`)).toEqual([
        expect.stringContaining(
          `toKubernetes.removalGrace: expected a duration like 500ms, 60s, 5m or 1h, found "${text}"`,
        ),
      ]);
    },
  );

  it.each([
    ['0', 'expected at least 1, found 0'],
    ['-1', 'expected at least 1, found -1'],
    ['"80"', 'expected a number, found "80"; did you mean 80?'],
    ['.nan', 'expected a number, found NaN'],
    ['.inf', 'expected a number, found Infinity'],
    ['null', 'expected a number, found null'],
  ])('the port %s is refused: %s', (value, problem) => {
    expect(problemsOf(`cluster: prod\ntoKubernetes: {port: ${value}}`)).toEqual([`toKubernetes.port: ${problem}`]);
  });

  it.each(['0.0.0.0', '8080', 'x:', 'x:65536', 'x:-1', 'x:http'])('it cannot listen on %s', (address) => {
    expect(problemsOf(`cluster: prod\nhttp: {address: "${address}"}`)).toHaveLength(1);
  });

  it.each([
    'consular.dev/',
    'Consular.dev',
    'consular..dev',
    'consular_dev',
    '',
    `${'a.'.repeat(127)}a`,
    'kubernetes.io',
    'node.kubernetes.io',
    'k8s.io',
    'consul.hashicorp.com',
  ])('annotations cannot begin with %j', (prefix) => {
    expect(problemsOf(`cluster: prod\nannotationPrefix: "${prefix}"`)).toEqual([
      expect.stringContaining('annotationPrefix: expected a DNS name in lower case without a slash'),
    ]);
  });

  it.each(['consul.example.com:8500', 'ftp://x', 'http://', 'http://user@x:8500', 'http://:secret@x:8500'])(
    'Consul cannot be at %s',
    (address) => {
      expect(problemsOf(`cluster: prod\nconsul: {address: "${address}"}`)).toHaveLength(1);
    },
  );

  it('a file that cannot be read is one problem that says so', () => {
    expect(() => loadConfig('/nowhere/consular.yaml', {})).toThrow(
      /^configuration \/nowhere\/consular\.yaml: 1 problem\n {2}expected a readable file, found: .*ENOENT/,
    );
  });
});

describe('hostile YAML', () => {
  it.each([
    [
      'a key twice',
      'cluster: a\ncluster: b',
      /^line 2, column 1: expected valid YAML, found: Map keys must be unique$/,
    ],
    ['a tab', 'cluster: a\n\tx: 1', /^line 2, column 1: expected valid YAML, found: Tabs/],
    [
      'two documents',
      'cluster: a\n---\ncluster: b',
      /^line 2, column 1: expected valid YAML, found: Source contains multiple/,
    ],
    ['an open bracket', 'cluster: [', /^line 1, column \d+: expected valid YAML/],
    ['an alias of nothing', 'cluster: *nobody', /expected valid YAML, found: Unresolved alias/],
    ['an alias of itself', 'cluster: a\nlog: &log {level: *log}', /log\.level: expected|expected valid YAML/],
  ])('%s is reported', (_, text, problem) => {
    expect(placedProblemsOf(text)).toEqual([expect.stringMatching(problem)]);
  });

  it('a bomb of aliases is reported and not unpacked', () => {
    const levels = Array.from({ length: 9 }, (_, i) => {
      const items = Array<string>(9).fill(i === 0 ? 'x' : `*l${i - 1}`);
      return `l${i}: &l${i} [${items.join(', ')}]`;
    });
    expect(problemsOf(`cluster: prod\n${levels.join('\n')}`)).toEqual([
      expect.stringMatching(/expected valid YAML, found: Excessive alias count/),
    ]);
  });

  it('a file nested without end is reported', () => {
    expect(problemsOf(`cluster: ${'['.repeat(100_000)}`)).not.toEqual([]);
  });

  it.each(['__proto__', 'constructor', 'toString'])('the key %s is an unknown setting wherever it stands', (key) => {
    const text = `cluster: prod\n${key}: {}\nconsul: {${key}: {address: "http://evil"}}\nkubernetes: {${key}: ""}\nlog: {${key}: {level: debug}}`;
    expect([...problemsOf(text)].sort()).toEqual(
      ['', 'consul.', 'kubernetes.', 'log.']
        .map((path) => `${path}${key}: expected a known setting, found an unknown one`)
        .sort(),
    );
  });

  it('long values are shortened in messages', () => {
    const [problem] = problemsOf(`cluster: ${'a'.repeat(100_000)}`);
    expect(problem?.length).toBeLessThan(300);
  });
});
