import { describe, expect, it } from '@jest/globals';
import type { Service } from '../../../../src/kubernetes/objects.ts';
import { importRequest, nameWanted } from '../../../../src/to-kubernetes/requests/import-request.ts';
import { PREFIX, annotations, marked, service, servicePort, strings } from '../../builders.ts';

const http = servicePort({ name: 'http', port: 80 });
const admin = servicePort({ name: 'admin', port: 8081 });

const CONFIG = { importNamespaces: ['shop'], annotationPrefix: PREFIX };

/** A Service in a namespace that is listed, with these annotations. */
function asking(text: Readonly<Record<string, string>>, overrides: Partial<Service> = {}) {
  return importRequest(service({ ports: [http, admin], annotations: annotations(text), ...overrides }), CONFIG);
}

const problemsOf = (request: ReturnType<typeof asking>) =>
  request?.problems.map(({ reason, message }) => `${reason}: ${message}`);

describe('the annotation consular.dev/import', () => {
  it('is asked for by those who wrote it, and by nobody else', () => {
    expect(asking({})).toBeUndefined();
    expect(asking({ 'service-name': 'orders', 'service-sync': 'true' })).toBeUndefined();
  });

  it('names the Consul service in any case, and stands for the first port', () => {
    expect(asking({ import: ' Billing ' })).toEqual({
      verdict: 'accepted',
      from: { name: 'billing', spelling: 'Billing' },
      port: http,
      problems: [],
    });
  });

  it.each([
    ['the only port', [admin], undefined, admin],
    ['the first of several', [http, admin], undefined, http],
    ['by name', [http, admin], 'admin', admin],
    ['by number', [http, admin], '8081', admin],
    ['by a name at the end of a block of YAML', [http, admin], 'admin\n', admin],
    ['by number before name', [servicePort({ name: '8081', port: 1 }), admin], '8081', admin],
    [
      'by a name of digits',
      [http, servicePort({ name: '8082', port: 1 })],
      '8082',
      servicePort({ name: '8082', port: 1 }),
    ],
    ['the only port, which has no name', [servicePort({ name: '' })], undefined, servicePort({ name: '' })],
    ['UDP, when it is the port', [servicePort({ protocol: 'UDP' })], undefined, servicePort({ protocol: 'UDP' })],
  ])('chooses the port: %s', (_, ports, wanted, expected) => {
    const text = { import: 'billing', ...(wanted === undefined ? {} : { 'import-port': wanted }) };
    expect(asking(text, { ports })).toMatchObject({ verdict: 'accepted', port: expected });
  });

  it.each<[string, Readonly<Record<string, string>>, Partial<Service>, string]>([
    [
      'a namespace that is not listed',
      { import: 'billing' },
      { namespace: 'other' },
      'ImportDenied: namespace other is not one of toKubernetes.importNamespaces',
    ],
    [
      'an ExternalName Service',
      { import: 'billing' },
      { type: 'ExternalName', clusterIPs: [], ports: [] },
      'ImportDenied: a Service of type ExternalName has no endpoints',
    ],
    [
      'a Service of ours',
      { import: 'billing' },
      { labels: marked() },
      'ImportDenied: the Service is one of Consular itself, which follows one Consul service',
    ],
    [
      'a Service of the Consular of another cluster',
      { import: 'billing' },
      { labels: marked('other') },
      'ImportDenied: the Service is one of Consular itself, which follows one Consul service',
    ],
    ...['consul', 'Consular'].map((name): [string, Readonly<Record<string, string>>, Partial<Service>, string] => [
      `the Consul service ${name}`,
      { import: name },
      {},
      `ImportDenied: Consul service "${name}" is one that never leaves Consul`,
    ]),
    [
      'no name',
      { import: ' ' },
      {},
      'InvalidAnnotation: annotation consular.dev/import: expected the name of a Consul service, found ""',
    ],
    [
      'a path',
      { import: '..' },
      {},
      'InvalidAnnotation: annotation consular.dev/import: expected the name of a Consul service, found ".."',
    ],
    [
      'a name longer than any',
      { import: 'x'.repeat(256) },
      {},
      `InvalidAnnotation: annotation consular.dev/import: expected the name of a Consul service, found "${'x'.repeat(127)}...`,
    ],
    [
      'a port alone',
      { 'import-port': 'http' },
      {},
      'InvalidAnnotation: annotation consular.dev/import: expected the name of a Consul service, found none beside consular.dev/import-port',
    ],
  ])('is denied: %s', (_, text, overrides, problem) => {
    const request = asking(text, overrides);
    expect(request?.verdict).toBe('denied');
    expect(problemsOf(request)).toEqual([problem]);
    expect(nameWanted(request)).toBeUndefined();
  });

  it.each<[string, Readonly<Record<string, string>>, Partial<Service>, string[]]>([
    [
      'a port that the Service does not have',
      { 'import-port': 'web' },
      {},
      [
        'InvalidPort: annotation consular.dev/import-port: expected the name or number of one of the Service\'s ports, found "web"',
      ],
    ],
    [
      'a number that the Service does not have',
      { 'import-port': '080' },
      {},
      [
        'InvalidPort: annotation consular.dev/import-port: expected the name or number of one of the Service\'s ports, found "080"',
      ],
    ],
    [
      'an empty port, where the only one has no name',
      { 'import-port': '' },
      { ports: [servicePort({ name: '' })] },
      [
        'InvalidPort: annotation consular.dev/import-port: expected the name or number of one of the Service\'s ports, found ""',
      ],
    ],
    [
      'a Service without ports',
      {},
      { clusterIPs: ['None'], ports: [] },
      ['InvalidPort: the Service has no port that instances could be behind'],
    ],
    [
      'a misspelt key',
      { 'import-prot': 'admin' },
      {},
      [
        'InvalidAnnotation: annotation "consular.dev/import-prot" is not one that Consular knows; did you mean "import-port"?',
      ],
    ],
    [
      'all at once',
      { 'import-prot': 'admin', imports: 'x', 'import-port': 'web' },
      {},
      [
        'InvalidAnnotation: annotation "consular.dev/import-prot" is not one that Consular knows; did you mean "import-port"?',
        'InvalidAnnotation: annotation "consular.dev/imports" is not one that Consular knows; did you mean "import"?',
        'InvalidPort: annotation consular.dev/import-port: expected the name or number of one of the Service\'s ports, found "web"',
      ],
    ],
  ])('is unclear: %s', (_, text, overrides, problems) => {
    const request = asking({ import: 'billing', ...text }, overrides);
    expect(request?.verdict).toBe('unclear');
    expect(problemsOf(request)).toEqual(problems);
    expect(nameWanted(request)).toBe('billing');
  });

  it.each(['imprt', 'imports', 'importt', 'Import'])(
    'is unclear where the name itself is misspelt as %s: what was taken in from there stays',
    (key) => {
      const request = asking({ [key]: 'billing' });
      expect(request?.verdict).toBe('unclear');
      expect(problemsOf(request)).toEqual([
        `InvalidAnnotation: annotation "consular.dev/${key}" is not one that Consular knows; did you mean "import"?`,
      ]);
      expect(nameWanted(request)).toBe('billing');
    },
  );

  it.each([
    [{ imprt: '' }, 'imprt', 'import'],
    [{ imprt: '..' }, 'imprt', 'import'],
    [{ 'import-prt': 'http' }, 'import-prt', 'import-port'],
  ])('is told once where the key is misspelt and says no name: %j', (text, key, meant) => {
    const request = asking(text);
    expect(request?.verdict).toBe('denied');
    expect(problemsOf(request)).toEqual([
      `InvalidAnnotation: annotation "consular.dev/${key}" is not one that Consular knows; did you mean "${meant}"?`,
    ]);
  });

  it.each(['service-name', 'service-nmae', 'port', 'service-meta-import', 'colour'])(
    'is none: the key %s is not about what a Service takes in',
    (key) => {
      expect(asking({ [key]: 'billing' })).toBeUndefined();
    },
  );

  it.each<[string, Partial<Service>, string[]]>([
    ['the defaults', {}, []],
    [
      'internalTrafficPolicy Local',
      { internalTrafficPolicy: 'Local' },
      [
        "TrafficPolicy: internalTrafficPolicy Local leads to endpoints on the caller's node, and those from Consul are on none",
      ],
    ],
    [
      'a trafficDistribution',
      { trafficDistribution: 'PreferSameZone' },
      [
        'TrafficPolicy: trafficDistribution PreferSameZone works only when every endpoint has hints, and those from Consul have none',
      ],
    ],
    [
      'both, on a headless Service, which nobody routes',
      { internalTrafficPolicy: 'Local', trafficDistribution: 'PreferClose', clusterIPs: ['None'] },
      [],
    ],
  ])('is accepted and warned about: %s', (_, overrides, problems) => {
    const request = asking({ import: 'billing' }, overrides);
    expect(request?.verdict).toBe('accepted');
    expect(problemsOf(request)).toEqual(problems);
  });

  it('has the prefix of the settings, and that one alone', () => {
    const config = { ...CONFIG, annotationPrefix: 'consular.example.com' };
    const asked = (text: Readonly<Record<string, string>>) =>
      importRequest(service({ ports: [http, admin], annotations: strings(text) }), config);
    expect(asked({ 'consular.dev/import': 'billing' })).toBeUndefined();
    expect(nameWanted(asked({ 'consular.example.com/import': 'billing', 'consular.dev/import': 'orders' }))).toBe(
      'billing',
    );
    expect(problemsOf(asked({ 'consular.example.com/import-port': 'http' }))).toEqual([
      'InvalidAnnotation: annotation consular.example.com/import: expected the name of a Consul service, found none beside consular.example.com/import-port',
    ]);
  });
});
