import { differencesOf } from '../../../../src/to-consul/observed/differences.ts';
import { describe, expect, it } from '@jest/globals';
import {
  annotationSettings,
  isSettled,
  podChanges,
  variableSettings,
} from '../../../../src/commands/explain/explanation.ts';
import type { OwnInstance } from '../../../../src/to-consul/observed/own-instance.ts';
import type { Registration } from '../../../../src/to-consul/registration/registration.ts';
import { PREFIX, container, pod, registration, strings } from '../../builders.ts';

describe('settings that were found', () => {
  it('names the annotations of both prefixes and which one wins', () => {
    const annotated = pod({
      annotations: strings({
        'consular.dev/service-name': 'orders',
        'consul.hashicorp.com/service-name': 'other',
        'consul.hashicorp.com/service-tags': 'a',
        'example.com/team': 'shop',
      }),
    });
    const found = annotationSettings('Pod', annotated, PREFIX);
    expect(found.map(({ key, value, note }) => [key, value, note])).toEqual([
      ['consul.hashicorp.com/service-name', 'other', 'consular.dev/service-name wins'],
      ['consul.hashicorp.com/service-tags', 'a', ''],
      ['consular.dev/service-name', 'orders', ''],
    ]);
    expect(new Set(found.map(({ source }) => source))).toEqual(new Set(['Pod shop/orders-7d4b9c6f5-abcde']));
  });

  it("names registrator's variables with their container", () => {
    const env = [
      { name: 'SERVICE_NAME', value: 'orders', fieldPath: undefined },
      { name: 'SERVICE_TAGS', value: '', fieldPath: 'metadata.name' },
      { name: 'PATH', value: '/bin', fieldPath: undefined },
    ];
    const source = 'Pod shop/orders-7d4b9c6f5-abcde, container app';
    expect(variableSettings(pod({ containers: [container({ env })] }), 'why')).toEqual([
      { source, key: 'SERVICE_NAME', value: 'orders', note: 'why' },
      { source, key: 'SERVICE_TAGS', value: '(from metadata.name)', note: 'why' },
    ]);
  });
});

describe('differences', () => {
  const observed = (overrides: Partial<Registration> = {}, checkIndex = 7): OwnInstance => {
    return { registration: registration(overrides), podKey: 'shop/a', podUid: 'u', serviceIndex: 7, checkIndex };
  };

  it.each<[string, OwnInstance, string[]]>([
    ['nothing', observed(), []],
    ['the port', observed({ port: 1 }), ['port: 1 -> 8080']],
    ['tags', observed({ tags: ['a'] }), ['tags: ["a"] -> []']],
    ['meta that is too much', observed({ meta: strings({ secure: 'false', x: 'y' }) }), ['meta.x: "y" -> (none)']],
    ['meta that is missing', observed({ meta: strings() }), ['meta.secure: (none) -> "false"']],
    [
      'the status',
      observed({ check: { status: 'critical', notes: 'notes', output: 'other words' } }),
      ['check.status: critical -> passing'],
    ],
    ['no check', observed({}, 0), ['check.status: (none) -> passing', 'check.notes: (none) -> "notes"']],
  ])('name %s', (_, found, lines) => {
    const differences = differencesOf(registration(), found);
    expect(differences.map(({ field, desired, observed }) => `${field}: ${observed} -> ${desired}`)).toEqual(lines);
  });
});

describe('changes of a pod', () => {
  const nothing = { create: [], update: [], remove: [] };
  const same: OwnInstance = {
    registration: registration(),
    podKey: 'shop/a',
    podUid: 'u',
    serviceIndex: 7,
    checkIndex: 7,
  };
  const said = (plan: Partial<Parameters<typeof podChanges>[0]>) =>
    podChanges({ changes: nothing, unproven: [], held: [], kept: [], retained: [], whyGone: new Map(), ...plan }).map(
      ({ action, note }) => `${action} ${note}`.trim(),
    );

  it('say why an instance is written that is as it should be', () => {
    const update = [{ desired: registration(), observed: same }];
    expect(said({ changes: { ...nothing, update } })).toEqual(['update its Consul node is not as it was written']);
  });

  it('say why an instance goes', () => {
    const whyGone = new Map([[same, 'the pod is gone']]);
    expect(said({ changes: { ...nothing, remove: [same] }, whyGone })).toEqual(['remove the pod is gone']);
  });
});

describe('being settled', () => {
  it.each([
    [[], [], true],
    [[{}], [], false],
    [[], [{}], false],
  ])('with changes %j and rejections %j is %s', (changes, rejections, settled) => {
    const explanation = { changes, rejections } as unknown as Parameters<typeof isSettled>[0];
    expect(isSettled(explanation)).toBe(settled);
  });
});
