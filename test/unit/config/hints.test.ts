import { describe, expect, it } from '@jest/globals';
import { placedProblemsOf, problemsOf } from './parsing.ts';

const hintsOf = (settings: string) =>
  problemsOf(`cluster: prod\n${settings}`).map((problem) => problem.slice(problem.indexOf('; ') + 2));

describe('what was most likely meant', () => {
  it.each([
    ['toKubernetes: {removalGrace: 60}', 'did you mean 60s?'],
    ['toKubernetes: {removalGrace: "60"}', 'did you mean 60s?'],
    ['toKubernetes: {removalGrace: 60 s}', 'did you mean 60s?'],
    ['toKubernetes: {removalGrace: 2 Min}', 'did you mean 120s?'],
    ['toKubernetes: {removalGrace: 1d}', 'did you mean 24h?'],
    ['toKubernetes: {removalGrace: 1.5s}', 'did you mean 1500ms?'],
    ['toConsul: {namespaces: [a, "*-b"]}', 'did you mean {include: [a, "*-b"]}?'],
    ['toConsul: {namespaces: shop}', 'did you mean {include: [shop]}?'],
    ['toConsul: {policy: {tags: [a]}}', 'did you mean {include: [a]}?'],
    ['toKubernetes: {services: [a]}', 'did you mean {include: [a]}?'],
    ['toKubernetes: {namespaces: shop}', 'did you mean [shop]?'],
    ['toKubernetes: {namespaces: {include: [shop]}}', 'did you mean [shop]?'],
    ['besides: other', 'did you mean [other]?'],
    ['consul: {address: "consul:8500"}', 'did you mean http://consul:8500?'],
    ['consul: {address: consul}', 'did you mean http://consul:8500?'],
    ['consul: {address: 10.0.0.1}', 'did you mean http://10.0.0.1:8500?'],
    ['consul: {address: "10.0.0.1:8501"}', 'did you mean http://10.0.0.1:8501?'],
    ['consul: {address: "::1"}', 'did you mean "http://[::1]:8500"?'],
    ['consul: {datacenter: 1}', 'did you mean "1"?'],
    ['consul: {datacenter: true}', 'did you mean "true"?'],
    ['http: {address: 8080}', 'did you mean 0.0.0.0:8080?'],
    ['toKubernetes: {port: "80"}', 'did you mean 80?'],
    ['toKubernetes: {denyAddresses: [10.0.0.1]}', 'did you mean 10.0.0.1/32?'],
    ['toConsul: {enabled: no}', 'did you mean false?'],
    ['leaderElection: {enabled: "on"}', 'did you mean true?'],
    ['toConsul: {notReady: deregistered}', 'did you mean deregister?'],
    ['toConsul: {addressFamily: ipv4}', 'did you mean IPv4?'],
    ['log: {level: warning}', 'did you mean warn?'],
    ['log: {level: INFO}', 'did you mean info?'],
  ])('by {%s}', (settings, hint) => {
    expect(hintsOf(settings)).toEqual([hint]);
  });

  it.each([
    ['toconsul: {}', 'did you mean toConsul?'],
    ['toConsul: {namespace: {}}', 'did you mean namespaces?'],
    ['removalGrace: 60s', 'did you mean toKubernetes.removalGrace?'],
    ['consul: {notReady: critical}', 'did you mean toConsul.notReady?'],
    ['toConsul: {policy: {rules: [{namespace: [a], namespaces: [a], services: [b]}]}}', 'did you mean namespaces?'],
    ['toKubernetes: {tagServices: [{service: a, tag: [b], tags: [b]}]}', 'did you mean tags?'],
    [
      'consul: {token: 7a1ea4b6}',
      'use consul.tokenFile, or the variable CONSUL_HTTP_TOKEN: a token has no place in this file',
    ],
  ])('by the key in {%s}', (settings, hint) => {
    expect(hintsOf(settings)).toEqual([hint]);
  });

  it.each([
    'toKubernetes: {removalGrace: soon}',
    'toKubernetes: {removalGrace: 2147483648ms}',
    'toKubernetes: {removalGrace: null}',
    'toKubernetes: {port: 70000}',
    'consul: {address: "ftp://x"}',
    'consul: {address: "http://me:secret@x:8500"}',
    'toConsul: {notReady: ignore}',
    'colour: red',
    'log: loud',
  ])('is not guessed for {%s}', (settings) => {
    expect(problemsOf(`cluster: prod\n${settings}`)).toEqual([expect.not.stringContaining(';')]);
  });
});

describe('the place of a problem', () => {
  it('is the line and the column of its value, or of a key that is unknown', () => {
    const text = `cluster: Prod
besides:
  - a--b
consul:
  addres: http://x
  datacenter:
    - dc1
toConsul:
  namespaces: [a]
  policy:
    rules:
      - namespaces: [shop]
toKubernetes: {removalGrace: 60}
cluster2: x
`;
    expect(placedProblemsOf(text).map((problem) => problem.replace(/: expected.*/, ''))).toEqual([
      'line 1, column 10: cluster',
      'line 3, column 5: besides.0',
      'line 7, column 5: consul.datacenter',
      'line 5, column 3: consul.addres',
      'line 9, column 15: toConsul.namespaces',
      'line 12, column 9: toConsul.policy.rules.0.services',
      'line 13, column 30: toKubernetes.removalGrace',
      'line 14, column 1: cluster2',
    ]);
  });

  it('is the anchor that an alias was written for, not what the alias means', () => {
    expect(placedProblemsOf('cluster: prod\nkubernetes: {context: &x a}\ntoKubernetes: {port: *x}')).toEqual([
      'line 3, column 22: toKubernetes.port: expected a number, found "a"',
    ]);
  });

  it('is the variable or the option that says it', () => {
    expect(placedProblemsOf('cluster: prod', { CONSUL_HTTP_ADDR: 'unix:///consul.sock' })).toEqual([
      'CONSUL_HTTP_ADDR: consul.address: expected an http or https URL without credentials, found "unix:///consul.sock"',
    ]);
    expect(placedProblemsOf('cluster: prod', {}, { consulAddress: 'ftp://x' })).toEqual([
      '--consul-address: consul.address: expected an http or https URL without credentials, found "ftp://x"',
    ]);
    expect(placedProblemsOf('cluster: prod\nconsul: {address: 7}', { CONSUL_HTTP_ADDR: 'x:1' })).toEqual([
      expect.stringMatching(/^line 2, column 19: consul\.address: /),
    ]);
  });

  it('is told of a key that stands there twice, together with all that is wrong beside it', () => {
    expect(placedProblemsOf('cluster: prod\ncluster: prod\ntoKubernetes: {port: 0}')).toEqual([
      'line 2, column 1: expected valid YAML, found: Map keys must be unique',
      'line 3, column 22: toKubernetes.port: expected at least 1, found 0',
    ]);
  });
});

describe('a secret', () => {
  it.each(['7a1ea4b6-3d14-4c7e-9a55-0c1d8f1b2a3c', 'eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJ4In0.c2lnbmF0dXJl'])(
    'is not shown where a token stands in the place of its file: %s',
    (token) => {
      const problems = problemsOf(`cluster: prod\nconsul: {tokenFile: ${token}}`);
      expect(problems).toEqual([
        'consul.tokenFile: expected the path of a file with the token, found what looks like a token itself',
      ]);
    },
  );

  it.each(['http://me:secret@x:8500', 'me:secret@x:8500', 'http://:secret@x'])(
    'is not shown in the address %s',
    (address) => {
      const [problem = ''] = problemsOf(`cluster: prod\nconsul: {address: "${address}"}`);
      expect(problem).toContain('consul.address: expected an http or https URL without credentials, found');
      expect(problem).not.toContain('secret');
    },
  );

  it('is not shown where it stands under an unknown setting', () => {
    const text = 'cluster: prod\nconsul: {token: hush, tokens: [hush]}\ntoken: hush';
    expect(problemsOf(text)).toHaveLength(3);
    expect(problemsOf(text).join()).not.toContain('hush');
  });
});

describe('what the command line says', () => {
  it('wins over the file and the environment', () => {
    const text = 'cluster: prod\nconsul: {address: "http://in-pod:8500", tokenFile: /var/run/token}';
    expect(placedProblemsOf(text, {}, { consulAddress: 'localhost:8500', tokenFile: './token' })).toEqual([]);
  });
});
