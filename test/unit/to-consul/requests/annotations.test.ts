import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import {
  isOurAnnotation,
  ourSpelling,
  parseAnnotations,
  parseTags,
} from '../../../../src/to-consul/requests/annotations.ts';
import { PREFIX, annotations, strings } from '../../builders.ts';
import { quote } from '../../../../src/to-consul/registration/rejection.ts';

const parse = (entries: Readonly<Record<string, string>>) => parseAnnotations(annotations(entries), PREFIX);
const messages = (entries: Readonly<Record<string, string>>) => parse(entries).rejections.map(({ message }) => message);

describe('isOurAnnotation', () => {
  it.each([
    ['consular.dev/service-name', true],
    ['consular.dev/anything', true],
    ['consul.hashicorp.com/service-name', true],
    ['consul.hashicorp.com/connect-inject', false],
    ['kubectl.kubernetes.io/last-applied-configuration', false],
    ['consular.dev.example.com/service-name', false],
    ['service-name', false],
  ])('%s: %p', (key, ours) => {
    expect(isOurAnnotation(key, PREFIX)).toBe(ours);
  });
});

describe('annotations', () => {
  it('say nothing when there are none', () => {
    expect(parseAnnotations(new Map(), PREFIX)).toEqual({
      settings: { meta: new Map(), ports: new Map() },
      rejections: [],
    });
  });

  it('say everything at once', () => {
    const parsed = parse({
      'service-name': ' orders ',
      'service-sync': 'true',
      'service-port': 'http',
      'service-tags': 'v1, blue',
      'service-weight': '10',
      'not-ready': 'critical',
      'service-meta-team': 'shop',
      'service-meta-': 'no key',
    });
    expect(parsed).toEqual({
      settings: {
        serviceName: 'orders',
        sync: true,
        port: 'http',
        tags: ['v1', 'blue'],
        weight: 10,
        notReady: 'critical',
        meta: strings({ team: 'shop', '': 'no key' }),
        ports: new Map(),
      },
      rejections: [],
    });
  });

  it.each([
    ['service-sync', '', '"true" or "false"'],
    ['service-weight', '0', 'a number from 1 to 65535'],
    ['service-weight', '65536', 'a number from 1 to 65535'],
    ['service-weight', '-1', 'a number from 1 to 65535'],
    ['service-weight', '1e3', 'a number from 1 to 65535'],
    ['service-weight', '1 0', 'a number from 1 to 65535'],
    ['service-weight', '٣', 'a number from 1 to 65535'],
    ['not-ready', 'no', '"deregister" or "critical"'],
  ])('%s: %j is rejected', (key, value, expected) => {
    expect(parse({ [key]: value })).toEqual({
      settings: { meta: new Map(), ports: new Map() },
      rejections: [
        {
          reason: 'InvalidAnnotation',
          message: `annotation "consular.dev/${key}": expected ${expected}, found ${quote(value)}`,
        },
      ],
    });
  });

  it('lose blanks and line breaks at the ends of their values, as YAML leaves them at the end of a block', () => {
    const { settings, rejections } = parse({
      'service-name': 'orders\n',
      'service-sync': ' true\n',
      'service-port': 'http\n',
      'service-tags': 'v1,\nblue\n',
      'service-weight': '\t10\n',
      'not-ready': 'critical\n',
      'service-meta-team': '\r\n shop and co \n',
      'service-name.grpc': 'orders-grpc\n',
    });
    expect(rejections).toEqual([]);
    expect(settings).toMatchObject({
      ...{ serviceName: 'orders', sync: true, port: 'http', tags: ['v1', 'blue'], weight: 10, notReady: 'critical' },
      meta: strings({ team: 'shop and co' }),
    });
    expect(settings.ports.get('grpc')?.serviceName).toBe('orders-grpc');
  });

  it.each([
    ['service-sync', 'yes', 'true'],
    ['service-sync', '1', 'true'],
    ['service-sync', 'True', 'true'],
    ['service-sync', 'off', 'false'],
    ['not-ready', 'Critical', 'critical'],
    ['not-ready', 'deregistered', 'deregister'],
  ])('%s: %j is told together with what was most likely meant: %j', (key, value, meant) => {
    expect(messages({ [key]: value })).toEqual([
      expect.stringMatching(new RegExp(`found ${quote(value)}; did you mean "${meant}"\\?$`)),
    ]);
  });

  it.each([
    ['service-nmae', 'service-name'],
    ['servicename', 'service-name'],
    ['name', 'service-name'],
    ['port', 'service-port'],
    ['tags', 'service-tags'],
    ['service-tag', 'service-tags'],
    ['sync', 'service-sync'],
    ['weigth', 'service-weight'],
    ['notready', 'not-ready'],
    ['service-mata-team', 'service-meta-team'],
    ['meta-team', 'service-meta-team'],
    ['service-nmae.grpc', 'service-name.grpc'],
    ['service-meta.version', 'service-meta-version'],
    ['service-mta.version', 'service-meta-version'],
    ['service-meta', 'service-meta-KEY'],
    ['meta', 'service-meta-KEY'],
  ])('with the key %s are told that %s was most likely meant', (key, meant) => {
    for (const on of ['pod', 'service'] as const)
      expect(
        parseAnnotations(annotations({ [key]: 'x' }), PREFIX, on).rejections.map(({ message }) => message),
      ).toEqual([`annotation "consular.dev/${key}" is not one that Consular knows; did you mean "${meant}"?`]);
  });

  it('that can be said for all ports only are told so', () => {
    expect(messages({ 'service-weight.http': '1' })).toEqual([
      'annotation "consular.dev/service-weight.http" is not one that Consular knows; did you mean "service-weight", which is for all ports?',
    ]);
  });

  it.each(['toString', '__proto__', 'constructor', 'hasOwnProperty', ''])(
    'with the unknown key %j are rejected',
    (key) => {
      expect(messages({ [key]: 'x' })).toEqual([`annotation "consular.dev/${key}" is not one that Consular knows`]);
    },
  );

  it('that Consular itself writes on Services say nothing, and are a mistake where it never writes them', () => {
    const on = (kind: 'pod' | 'service', key: string) =>
      parseAnnotations(annotations({ [key]: 'x' }), PREFIX, kind).rejections.map(({ message }) => message);
    const wrong = (key: string, kind: string) =>
      `annotation "consular.dev/${key}" is for what Consular itself writes, and says nothing on a ${kind}`;
    expect(on('service', 'consul-service')).toEqual([]);
    expect(on('service', 'release')).toEqual([wrong('release', 'Service')]);
    expect(on('pod', 'consul-service')).toEqual([wrong('consul-service', 'pod')]);
  });

  it('about what a Service takes in are fine on a Service, and on a pod they are not', () => {
    const keys = annotations({ import: 'billing', 'import-port': 'http', 'service-name': 'orders' });
    expect(parseAnnotations(keys, PREFIX, 'service').rejections).toEqual([]);
    expect(parseAnnotations(keys, PREFIX, 'pod').rejections.map(({ message }) => message)).toEqual([
      'annotation "consular.dev/import" is not one that Consular knows: it is for Services',
      'annotation "consular.dev/import-port" is not one that Consular knows: it is for Services',
    ]);
  });

  it('reject each thing that is wrong', () => {
    expect(
      messages({ 'service-weight': 'heavy', 'not-ready': 'no', unknown: 'x', 'service-name': 'orders' }),
    ).toHaveLength(3);
  });
});

describe('annotations for one port', () => {
  it('say name, tags and meta', () => {
    const { settings, rejections } = parse({
      'service-name': 'orders',
      'service-name.grpc': 'orders-grpc',
      'service-tags.grpc': 'h2',
      'service-meta-secure.8443': 'true',
      'service-meta-team': 'shop',
    });
    expect(rejections).toEqual([]);
    expect(settings).toEqual({
      serviceName: 'orders',
      meta: strings({ team: 'shop' }),
      ports: new Map([
        [
          'grpc',
          {
            serviceName: 'orders-grpc',
            tags: ['h2'],
            meta: new Map(),
            keys: [`${PREFIX}/service-name.grpc`, `${PREFIX}/service-tags.grpc`],
          },
        ],
        ['8443', { meta: strings({ secure: 'true' }), keys: [`${PREFIX}/service-meta-secure.8443`] }],
      ]),
    });
  });

  it.each([
    ['service-name.', 'without leading zeros, after the dot, found ""'],
    ['service-name.a b', 'without leading zeros, after the dot, found "a b"'],
    ['service-tags.HTTP', 'without leading zeros, after the dot, found "HTTP"'],
    ['service-meta-app.kubernetes.io', 'without leading zeros, after the dot, found "kubernetes.io"'],
    ['service-name.__proto__', 'without leading zeros, after the dot, found "__proto__"'],
    ['service-tags.08080', 'without leading zeros, after the dot, found "08080"'],
    ['service-name.0', 'a number from 1 to 65535 without leading zeros, after the dot, found "0"'],
    ['service-meta-a.65536', 'a number from 1 to 65535 without leading zeros, after the dot, found "65536"'],
    ['service-tags.99999999999999999999', 'after the dot, found "99999999999999999999"'],
    ['service-weight.http', 'is not one that Consular knows'],
    ['not-ready.http', 'is not one that Consular knows'],
  ])('%j is rejected', (key, message) => {
    const { rejections } = parse({ [key]: '1' });
    expect(rejections.map(({ reason }) => reason)).toEqual(['InvalidAnnotation']);
    expect(rejections[0]?.message).toContain(message);
    expect(rejections[0]?.message).toContain(`annotation "consular.dev/${key}"`);
  });

  it('of meta are told that keys have no dots, where what stands behind the dot cannot be a port', () => {
    expect(messages({ 'service-meta-app.kubernetes.io': 'x' })).toEqual([
      'annotation "consular.dev/service-meta-app.kubernetes.io": expected the name of a port, or a number from 1 to 65535 without leading zeros, after the dot, found "kubernetes.io"; keys of meta have no dots in Consul',
    ]);
    expect(messages({ 'service-tags.A': 'x' })[0]).not.toContain('meta');
  });
});

describe('annotations of consul-k8s', () => {
  const alias = (key: string) => `consul.hashicorp.com/${key}`;

  it('are understood', () => {
    const entries = { [alias('service-name')]: 'orders', [alias('service-meta-team')]: 'shop' };
    expect(parseAnnotations(strings(entries), PREFIX).settings).toEqual({
      serviceName: 'orders',
      meta: strings({ team: 'shop' }),
      ports: new Map(),
    });
  });

  it.each([
    ...['1', 't', 'T', 'TRUE', 'true', 'True'].map((text) => [text, true] as const),
    ...['0', 'f', 'F', 'FALSE', 'false', 'False'].map((text) => [text, false] as const),
  ])('have service-sync: %j as Go reads it: %j', (text, sync) => {
    expect(parseAnnotations(strings({ [alias('service-sync')]: text }), PREFIX)).toMatchObject({
      settings: { sync },
      rejections: [],
    });
  });

  it.each(['yes', 'tRUE', '2', ''])('with service-sync: %j, which Go does not read, are rejected', (text) => {
    const { settings, rejections } = parseAnnotations(strings({ [alias('service-sync')]: text }), PREFIX);
    expect([settings.sync, rejections.length]).toEqual([undefined, 1]);
  });

  it('named like keys of ours that consul-k8s does not have are not ours', () => {
    const keys = strings({ [alias('import')]: 'billing', [alias('release')]: 'x' });
    expect(parseAnnotations(keys, 'service').rejections).toEqual([]);
  });

  it('may be for one port', () => {
    expect(parseAnnotations(strings({ [alias('service-name.http')]: 'web' }), PREFIX).settings.ports).toEqual(
      new Map([['http', { serviceName: 'web', meta: new Map(), keys: [alias('service-name.http')] }]]),
    );
  });

  it('lose to ours, key by key, in either order', () => {
    const entries = [
      ['consular.dev/service-name', 'ours'],
      [alias('service-name'), 'theirs'],
      [alias('service-port'), '80'],
    ] as const;
    for (const order of [entries, [...entries].reverse()])
      expect(parseAnnotations(new Map(order), PREFIX).settings).toMatchObject({ serviceName: 'ours', port: '80' });
  });

  it('that Consular does not know are none of its business', () => {
    expect(parseAnnotations(strings({ [alias('service-flavour')]: 'x' }), PREFIX).rejections).toEqual([]);
  });
});

describe('another prefix than that of the defaults', () => {
  const TEAM = 'consular.example.com';
  const mixed = strings({
    [`${TEAM}/service-name`]: 'ours',
    'consular.dev/service-name': 'of the other Consular',
    'consular.dev/service-nmae': 'its mistake',
    'consular.dev/consul-service': 'what Consular wrote',
    'consul.hashicorp.com/service-port': '80',
    [`${TEAM}.org/service-weight`]: '7',
  });

  it('is read alone: neither the default one nor that of consul-k8s asks for anything', () => {
    expect(parseAnnotations(mixed, TEAM)).toEqual({
      settings: { serviceName: 'ours', meta: new Map(), ports: new Map() },
      rejections: [],
    });
    expect(parseAnnotations(mixed, PREFIX).settings).toMatchObject({
      serviceName: 'of the other Consular',
      port: '80',
    });
  });

  it.each([
    [`${TEAM}/service-name`, true],
    [`${TEAM}.org/service-name`, false],
    [TEAM, false],
    ['consular.dev/service-name', false],
    ['consul.hashicorp.com/service-name', false],
  ])('keeps %s in memory: %p', (key, kept) => {
    expect(isOurAnnotation(key, TEAM)).toBe(kept);
  });

  it('is named in what is told', () => {
    const wrong = strings({ [`${TEAM}/service-weight`]: 'heavy', [`${TEAM}/consul-service`]: 'billing' });
    expect(parseAnnotations(wrong, TEAM).rejections.map(({ message }) => message)).toEqual([
      `annotation "${TEAM}/service-weight": expected a number from 1 to 65535, found "heavy"`,
      `annotation "${TEAM}/consul-service" is not one that Consular knows`,
    ]);
  });

  it('makes no other prefix one of ours', () => {
    expect(ourSpelling('consul.hashicorp.com/service-name', PREFIX)).toBe('consular.dev/service-name');
    expect(ourSpelling('consular.dev/service-name', PREFIX)).toBe('consular.dev/service-name');
  });
});

describe('parseTags', () => {
  it.each([
    ['', []],
    [' , ,', []],
    ['a', ['a']],
    ['a,b', ['a', 'b']],
    [' a , b ', ['a', 'b']],
    ['b,a,b', ['b', 'a']],
    ['a\\,b,c', ['a,b', 'c']],
    ['a\\,b,a\\,b', ['a,b']],
    ['\\,', [',']],
    ['a\\b', ['a\\b']],
    ['a\\', ['a\\']],
    ['a\\\\,b', ['a\\,b']],
    ['😀,é', ['😀', 'é']],
  ])('%j is %j', (value, tags) => {
    expect(parseTags(value)).toEqual(tags);
  });

  it('gives back any list of tags that is written with its commas escaped', () => {
    const tag = fc.string({ unit: fc.constantFrom('a', 'b', ',', '=', ':'), minLength: 1, maxLength: 6 });
    fc.assert(
      fc.property(fc.uniqueArray(tag), (tags) => {
        expect(parseTags(tags.map((tag) => tag.replaceAll(',', '\\,')).join(', '))).toEqual(tags);
      }),
    );
  });
});

describe('quote', () => {
  it.each([
    ['plain', '"plain"'],
    ['a"b\\c', '"a\\"b\\\\c"'],
    ['line\nbreak\u001b[31m', '"line\\nbreak\\u001b[31m"'],
    ['\u007f\u0085', '"\\u007f\\u0085"'],
    ['zero\u200bwidth', '"zero\\u200bwidth"'],
    ['right\u202eleft', '"right\\u202eleft"'],
    ['\u2066x\u2069\u2028', '"\\u2066x\\u2069\\u2028"'],
    ['\ud83d', '"\\ud83d"'],
  ])('%j is %s', (value, quoted) => {
    expect(quote(value)).toBe(quoted);
  });

  it('shortens and says so', () => {
    expect(quote('x'.repeat(129))).toBe(`"${'x'.repeat(128)}" (shortened)`);
    expect(quote('x'.repeat(128))).toBe(`"${'x'.repeat(128)}"`);
  });

  it('never lets a line break, a control character or a change of direction through', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 200 }), (text) => {
        expect(quote(text)).not.toMatch(/[\u0000-\u001f\u007f-\u009f\u2028-\u202e\u2066-\u2069]/);
      }),
    );
  });
});
