import type { ServiceInstance } from '../../../../src/consul/types.ts';
import { describe, expect, it } from '@jest/globals';
import type { EndpointSlice } from '../../../../src/kubernetes/objects.ts';
import { ANNOTATION, LABEL } from '../../../../src/mark.ts';
import {
  annotations,
  endpoint,
  endpointPort,
  instance,
  marked,
  service,
  servicePort,
  strings,
} from '../../builders.ts';
import type { Refusals } from '../../../../src/to-kubernetes/plan/sources.ts';
import { NO_HOSTS } from '../views.ts';
import { importing, KEY, othersSlice, shown, stage, written } from './stage.ts';

const vm = (last: number, overrides: Parameters<typeof instance>[0] = {}) =>
  instance({ node: `vm-${last}`, id: `billing-${last}`, address: `10.20.0.${last}`, ...overrides });
const OURS = strings({ 'managed-by': 'consular' });
const messages = (plan: ReturnType<ReturnType<typeof stage>['plan']>) => plan.problems.map(({ reason }) => reason);

/** The slice that an import of one instance makes, as Kubernetes has it, but for what somebody changed. */
function ownSlice(overrides: Partial<EndpointSlice> = {}): EndpointSlice {
  const { apply, plan, views } = stage([importing()], [vm(1)]);
  apply(plan());
  const [slice] = views.endpointSlices.values();
  if (!slice) throw new Error('expected the slice of an import');
  return { ...slice, ...overrides };
}

describe('the slices of a Service that takes a Consul service in', () => {
  it('have the foreign instances that are not critical, each with its own port, behind the port of the Service', () => {
    const instances = [
      vm(1),
      vm(2, { status: 'warning' }),
      vm(3, { port: 9090 }),
      vm(4, { status: 'critical' }),
      vm(5, { meta: strings({ 'managed-by': 'consular' }) }),
      vm(6, { kind: 'connect-proxy' }),
      vm(7, { address: '', nodeAddress: '10.20.0.77' }),
    ];
    const plan = stage([importing()], instances).plan();
    expect(shown(plan)).toEqual([
      'create orders-# http=8080/TCP 10.20.0.1,10.20.0.2,10.20.0.77',
      'create orders-# http=9090/TCP 10.20.0.3',
    ]);
    expect(plan).toMatchObject({ isEmptied: false, problems: [] });
  });

  it('have the name, the protocol and the appProtocol of the port that was asked for', () => {
    const ports = [servicePort(), servicePort({ name: 'admin', port: 81, protocol: 'UDP', appProtocol: 'h2c' })];
    const { slices } = stage([importing({ 'import-port': 'admin' }, { ports })], [vm(1)]).plan();
    expect(slices.create.map(({ ports }) => ports)).toEqual([
      [{ name: 'admin', port: 8080, protocol: 'UDP', appProtocol: 'h2c' }],
    ]);
  });

  it('say the zone of an instance, and are one for each family', () => {
    const { slices } = stage(
      [importing()],
      [vm(1, { meta: strings({ zone: 'a' }) }), vm(2, { address: 'fd00::2' })],
    ).plan();
    expect(slices.create.map(({ addressType, endpoints }) => [addressType, endpoints])).toEqual([
      ['IPv4', [{ address: '10.20.0.1', zone: 'a', host: '' }]],
      ['IPv6', [{ address: 'fd00::2', zone: '', host: '' }]],
    ]);
  });

  it.each([
    ['a Service with a selector', importing({}, { selector: strings({ app: 'orders' }) })],
    ['a Service without one', importing({}, { selector: strings() })],
    ['a Service that publishes its pods, too', importing({ 'service-name': 'orders', 'service-sync': 'true' })],
    ['a Service with a port of no name', importing({}, { ports: [servicePort({ name: '' })] })],
  ])('are made for %s', (_, asking) => {
    expect(stage([asking], [vm(1)]).plan().slices.create).toHaveLength(1);
  });

  it('say it when the Service is headless, and only then', () => {
    const headlessOf = (clusterIPs: string[]) =>
      stage([importing({}, { clusterIPs })], [vm(1)])
        .plan()
        .slices.create.map(({ headless }) => headless);
    expect([headlessOf(['None']), headlessOf(['10.96.0.10'])]).toEqual([[true], [false]]);
  });

  it('are none for the ClusterIP of a Service, or the API server, which are reported', () => {
    const other = service({ name: 'other', uid: 'other', clusterIPs: ['10.96.0.99'] });
    const plan = stage([importing(), other], [vm(1), vm(2, { address: '10.96.0.99' }), vm(3, { port: 0 })]).plan();
    expect(shown(plan)).toEqual(['create orders-# http=8080/TCP 10.20.0.1']);
    expect(plan.refused.map(({ instance }) => instance)).toEqual(['vm-2/billing-2', 'vm-3/billing-3']);
    expect(messages(plan)).toEqual(['InstanceRefused']);
  });

  describe('behind a port of one protocol', () => {
    const ports = [servicePort(), servicePort({ name: 'udp', port: 53, protocol: 'UDP' })];
    const [tcp, udp] = [vm(1), vm(2, { tags: ['udp'] })];
    const planned = (asked: Readonly<Record<string, string>>, instances: ServiceInstance[]) =>
      stage([importing(asked, { ports })], instances).plan();

    it('are the instances that speak it', () => {
      expect(shown(planned({}, [tcp, udp]))).toEqual(['create orders-# http=8080/TCP 10.20.0.1']);
      expect(shown(planned({ 'import-port': 'udp' }, [tcp, udp]))).toEqual(['create orders-# udp=8080/UDP 10.20.0.2']);
      expect(planned({}, [tcp, udp]).problems).toEqual([]);
    });

    it('are those that say nothing, where none says that it is UDP', () => {
      const plan = planned({ 'import-port': 'udp' }, [tcp]);
      expect(shown(plan)).toEqual(['create orders-# udp=8080/UDP 10.20.0.1']);
      const again = stage(
        [importing({ 'import-port': 'udp' }, { ports })],
        [tcp],
        plan.slices.create.map((s) => written(s)),
      );
      expect(shown(again.plan())).toEqual([]);
    });

    it('stay beside each other while Consul may have lost some, whatever says nothing', () => {
      const silent = [1, 2, 3].map((last) => vm(last));
      const before = planned({ 'import-port': 'udp' }, silent);
      const after = stage(
        [importing({ 'import-port': 'udp' }, { ports })],
        silent.slice(0, 2),
        before.slices.create.map((s) => written(s)),
      );
      after.given.isComplete = false;
      expect(shown(after.plan())).toEqual([]);
    });

    it('are without those that the API server refuses behind a port of that protocol', () => {
      const refusing = (refused: string): Refusals => ({
        of: (_kind, _namespace, _service, { protocol }) =>
          protocol === refused ? { why: 'not here', isDue: false, askedAt: 0 } : undefined,
      });
      const planned = (refused: string) =>
        stage([importing({ 'import-port': 'udp' }, { ports })], [tcp], [], NO_HOSTS, refusing(refused)).plan();
      expect(shown(planned('TCP'))).toEqual(['create orders-# udp=8080/UDP 10.20.0.1']);
      expect([shown(planned('UDP')), messages(planned('UDP'))]).toEqual([[], ['InstanceRefused']]);
    });

    it('are none where all speak another, which is told', () => {
      const plan = planned({}, [udp]);
      expect(plan).toMatchObject({ endpoints: [], misfits: [{ instance: udp }] });
      expect(plan.problems).toEqual([
        expect.objectContaining({
          reason: 'InvalidPort',
          message:
            'port 80 of the Service is TCP, and the instances of Consul service "Billing" are UDP: consular.dev/import-port names another port',
        }),
      ]);
    });
  });

  it('have management entries too, because they are asked for', () => {
    const entry = instance({ id: 'b-1', address: '10.20.0.9', tags: ['management'] });
    const plan = stage([importing()], [entry]).plan();
    expect(plan.endpoints).toEqual([{ address: '10.20.0.9', port: 8080 }]);
  });

  it('stay as they are once they are written', () => {
    const { apply, plan } = stage([importing()], [vm(1), vm(2, { port: 9090 })]);
    apply(plan());
    expect(shown(plan())).toEqual([]);
  });
});

describe('instances that Consul does not show any more', () => {
  it.each<[string, boolean, readonly ReturnType<typeof vm>[], string[]]>([
    ['stay while it may have lost them', false, [vm(2)], []],
    ['stay while it may have lost them, although it shows pods of ours', false, [vm(8, { meta: OURS })], []],
    ['go when it shows all that there is', true, [vm(2)], ['update orders-# http=8080/TCP 10.20.0.2']],
    ['go when they are critical', false, [vm(1, { status: 'critical' })], ['update orders-# http=8080/TCP 10.20.0.2']],
  ])('%s', (_, isComplete, left, expected) => {
    const before = stage([importing()], [vm(1), vm(2)]);
    before.apply(before.plan());
    const after = stage([importing()], left, [...before.views.endpointSlices.values()]);
    after.given.isComplete = isComplete;
    expect(shown(after.plan())).toEqual(expected);
    expect(after.plan().isEmptied).toBe(false);
  });
});

describe('an address and port that other slices of the Service have', () => {
  it.each<[string, EndpointSlice, string[]]>([
    ['of a pod', othersSlice(['10.20.0.1']), ['10.20.0.2']],
    [
      'of a pod that is not ready: Kubernetes knows better',
      othersSlice([], { endpoints: [endpoint('10.20.0.1', { ready: false })] }),
      ['10.20.0.2'],
    ],
    ['under another notation', othersSlice(['::ffff:10.20.0.1'], { addressType: 'IPv6' }), ['10.20.0.2']],
    [
      'among several ports',
      othersSlice(['10.20.0.1'], { ports: [endpointPort({ name: 'admin', port: 1 }), endpointPort()] }),
      ['10.20.0.2'],
    ],
    [
      'with another port number',
      othersSlice(['10.20.0.1'], { ports: [endpointPort({ port: 1 })] }),
      ['10.20.0.1', '10.20.0.2'],
    ],
    [
      'behind another port of the Service',
      othersSlice(['10.20.0.1'], { ports: [endpointPort({ name: 'admin' })] }),
      ['10.20.0.1', '10.20.0.2'],
    ],
    [
      'of another protocol',
      othersSlice(['10.20.0.1'], { ports: [endpointPort({ protocol: 'UDP' })] }),
      ['10.20.0.1', '10.20.0.2'],
    ],
    [
      'of another Service',
      othersSlice(['10.20.0.1'], { labels: strings({ 'kubernetes.io/service-name': 'other' }) }),
      ['10.20.0.1', '10.20.0.2'],
    ],
    ['of another namespace', othersSlice(['10.20.0.1'], { namespace: 'other' }), ['10.20.0.1', '10.20.0.2']],
    ['of host names', othersSlice(['10.20.0.1.example.test'], { addressType: 'FQDN' }), ['10.20.0.1', '10.20.0.2']],
    [
      'from a mirrored Service that was let go: that one steps back',
      othersSlice(['10.20.0.1'], {
        labels: marked('prod', { 'kubernetes.io/service-name': 'orders' }),
        annotations: annotations({ 'consul-service': 'Billing' }),
      }),
      ['10.20.0.1', '10.20.0.2'],
    ],
  ])('%s', (_, other, imported) => {
    const plan = stage([importing()], [vm(1), vm(2)], [other]).plan();
    expect(plan.slices.create.flatMap(({ endpoints }) => endpoints.map(({ address }) => address))).toEqual(imported);
    expect(plan.skipped).toEqual(
      imported.includes('10.20.0.1') ? [] : [{ address: '10.20.0.1', port: 8080, slice: 'orders-pods' }],
    );
  });

  it('leaves our slices when a pod comes to have it, and comes back when that goes', () => {
    const { apply, plan, views } = stage([importing()], [vm(1), vm(2)]);
    apply(plan());
    const pods = othersSlice(['10.20.0.1']);
    views.endpointSlices.put(pods);
    expect(shown(plan())).toEqual(['update orders-# http=8080/TCP 10.20.0.2']);
    apply(plan());
    views.endpointSlices.delete(pods);
    expect(shown(plan())).toEqual(['update orders-# http=8080/TCP 10.20.0.2,10.20.0.1']);
  });
});

describe('what goes', () => {
  const remaining = (asking = importing(), instances: Parameters<typeof stage>[1] = [vm(1)]) =>
    stage([asking], instances, [ownSlice()]).plan();

  it.each([
    ['the annotation is removed', importing({}, { annotations: strings() })],
    ['the Service gets our marks', importing({}, { labels: marked() })],
    ['the name is one that never leaves Consul', importing({ import: 'consul' })],
    [
      'only the port is left of the annotations',
      importing({}, { annotations: annotations({ 'import-port': 'http' }) }),
    ],
  ])('all, when %s', (_, asking) => {
    expect(shown(remaining(asking))).toEqual(['remove orders-#']);
  });

  it('all, from a namespace that is not listed any more', () => {
    const slice = ownSlice({ namespace: 'other' });
    const { plan, planner } = stage([importing({}, { namespace: 'other' })], [vm(1)], [slice]);
    expect(shown(plan('other/orders'))).toEqual(['remove orders-#']);
    expect(planner.keys()).toEqual(['other/orders']);
  });

  it('nothing, when the Consul service could not be read yet', () => {
    const plan = stage([importing()], undefined, [ownSlice()]).plan();
    expect(shown(plan)).toEqual([]);
    expect(plan.problems).toEqual([]);
  });

  it('all endpoints, when the Consul service is gone or critical, which are told apart', () => {
    const gone = remaining(importing(), []);
    expect([shown(gone), gone.isEmptied, messages(gone)]).toEqual([['remove orders-#'], true, ['UnknownService']]);
    const critical = remaining(importing(), [vm(1, { status: 'critical' })]);
    expect([shown(critical), critical.isEmptied, messages(critical)]).toEqual([['remove orders-#'], true, []]);
  });

  it('nothing, when the Service is gone: its slices go with it, by their owner', () => {
    const { plan, planner } = stage([], [vm(1)], [ownSlice()]);
    expect(planner.keys()).toEqual([KEY]);
    expect(shown(plan())).toEqual([]);
  });

  it('the slices of a Service that had the name before, and new ones come', () => {
    const plan = stage([importing({}, { uid: 'another' })], [vm(1)], [ownSlice()]).plan();
    expect(shown(plan)).toEqual(['create orders-# http=8080/TCP 10.20.0.1', 'remove orders-#']);
    expect(plan.slices.create[0]?.name).not.toBe(ownSlice().name);
  });

  it('endpoints of the Consul service before, when another one is named', () => {
    const { plan } = stage(
      [importing()],
      [vm(2)],
      [ownSlice({ annotations: annotations({ 'imported-from': 'other' }) })],
    );
    expect(shown(plan())).toEqual(['update orders-# http=8080/TCP 10.20.0.2']);
  });

  it('nothing from there, when Consul has no service of the other name', () => {
    const slice = ownSlice({ annotations: annotations({ 'imported-from': 'Orders' }) });
    const plan = stage([importing()], [], [slice]).plan();
    expect(shown(plan)).toEqual([]);
    expect(plan).toMatchObject({ isEmptied: false, endpoints: [{ address: '10.20.0.1', port: 8080 }] });
    const [problem] = plan.problems;
    expect(problem).toMatchObject({ reason: 'UnknownService', message: expect.stringMatching(/"Orders" stays/) });
    // One that is not well is one that is there: then it is no typo.
    const critical = stage([importing()], [vm(2, { status: 'critical' })], [slice]).plan();
    expect(shown(critical)).toEqual(['remove orders-#']);
  });

  it('what pods of the Service have by now, also of a name that Consul does not have', () => {
    const slice = ownSlice({ annotations: annotations({ 'imported-from': 'Orders' }) });
    expect(shown(stage([importing()], [], [slice, othersSlice(['10.20.0.1'])]).plan())).toEqual(['remove orders-#']);
  });

  it('all, when the Consul service that is gone was only written in another case', () => {
    const slice = ownSlice({ annotations: annotations({ 'imported-from': 'bILLING' }) });
    expect(shown(stage([importing()], [], [slice]).plan())).toEqual(['remove orders-#']);
  });

  it('the slice of another port, when that is asked for', () => {
    const ports = [servicePort(), servicePort({ name: 'admin', port: 81 })];
    const plan = remaining(importing({ 'import-port': '81' }, { ports }));
    expect(shown(plan)).toEqual(['update orders-# admin=8080/TCP 10.20.0.1']);
  });
});

describe('an instance whose host name has no address any more', () => {
  const host = 'vm-1.example.test';
  const known = (failure: string) => ({ known: () => ({ addresses: ['10.20.0.9'], failure }) });

  it('stays at the last one, which is told', () => {
    const planWith = (failure: string) => stage([importing()], [vm(1, { address: host })], [], known(failure)).plan();
    const [well, lost] = [planWith(''), planWith('no such name')];
    for (const plan of [well, lost]) expect(shown(plan)).toEqual(['create orders-# http=8080/TCP 10.20.0.9']);
    expect(well.problems).toEqual([]);
    expect(lost.problems).toEqual([
      {
        ...{ reason: 'HostUnresolved', isWarning: true },
        message: expect.stringMatching(/stays at its last address: vm-1\/billing-1: .*no such name/),
      },
    ]);
  });
});

describe('a mistake in the annotations of a Service that has slices already', () => {
  const held = (instances: Parameters<typeof stage>[1], others: readonly EndpointSlice[] = []) =>
    stage([importing({ 'import-port': 'htpt' })], instances, [ownSlice(), ...others]).plan();

  it('takes nothing away, and adds nothing', () => {
    const plan = held([vm(1), vm(2)]);
    expect(shown(plan)).toEqual([]);
    expect(plan.endpoints).toEqual([{ address: '10.20.0.1', port: 8080 }]);
    expect(messages(plan)).toEqual(['InvalidPort']);
  });

  it('keeps no instance that is critical or gone, and none that a pod has', () => {
    expect(shown(held([vm(1, { status: 'critical' }), vm(2)]))).toEqual(['remove orders-#']);
    expect(shown(held([vm(2)]))).toEqual(['remove orders-#']);
    expect(shown(held([vm(1)], [othersSlice(['10.20.0.1'])]))).toEqual(['remove orders-#']);
  });

  it('keeps what was taken in from another Consul service, of which nothing is known here', () => {
    const slice = ownSlice({ annotations: strings({ [ANNOTATION.importedFrom]: 'Payments' }) });
    const mistaken = importing({ 'import-port': 'htpt' });
    for (const instances of [[vm(2)], [], [vm(1, { status: 'critical' })]])
      expect(shown(stage([mistaken], instances, [slice]).plan())).toEqual([]);
    expect(shown(stage([mistaken], [vm(2)], [slice, othersSlice(['10.20.0.1'])]).plan())).toEqual(['remove orders-#']);
    // Once the mistake is mended, it is what is asked for.
    expect(shown(stage([importing()], [vm(2)], [slice]).plan())).toEqual(['update orders-# http=8080/TCP 10.20.0.2']);
  });

  it('makes nobody ready again who was lost before, and is kept because nothing may be removed', () => {
    const endpoints = [endpoint('10.20.0.1'), endpoint('10.20.0.2', { ready: false, serving: false })];
    const slice = ownSlice({ annotations: strings({ [ANNOTATION.importedFrom]: 'Payments' }), endpoints });
    expect(shown(stage([importing({ 'import-port': 'htpt' })], [vm(3)], [slice]).plan())).toEqual([]);
  });

  it('makes no slices where there were none', () => {
    expect(shown(stage([importing({ 'import-port': 'htpt' })], [vm(1)]).plan())).toEqual([]);
  });
});

describe('a slice of ours that somebody edited', () => {
  it.each<[string, Partial<EndpointSlice>, string[]]>([
    ['its endpoints', { endpoints: [endpoint('10.9.9.9')] }, ['update orders-# http=8080/TCP 10.20.0.1']],
    [
      'the readiness of one',
      { endpoints: [endpoint('10.20.0.1', { ready: false })] },
      ['update orders-# http=8080/TCP 10.20.0.1'],
    ],
    ['the name of its port', { ports: [endpointPort({ name: 'web' })] }, ['update orders-# http=8080/TCP 10.20.0.1']],
    ['its annotation', { annotations: strings() }, ['update orders-# http=8080/TCP 10.20.0.1']],
    [
      'the label that keeps other controllers away',
      { labels: marked('prod', { 'kubernetes.io/service-name': 'orders' }) },
      ['update orders-# http=8080/TCP 10.20.0.1'],
    ],
    ['its owner', { ownerUid: '' }, ['create orders-# http=8080/TCP 10.20.0.1', 'remove orders-#']],
    [
      'the number of its port',
      { ports: [endpointPort({ port: 1 })] },
      ['create orders-# http=8080/TCP 10.20.0.1', 'remove orders-#'],
    ],
  ])('is put right: %s', (_, edited, changes) => {
    expect(shown(stage([importing()], [vm(1)], [ownSlice(edited)]).plan())).toEqual(changes);
  });

  it('is let go when its ownership label is taken away, and what it has is skipped', () => {
    const labels = strings({ 'kubernetes.io/service-name': 'orders', [LABEL.sliceManagedBy]: 'consular.dev' });
    const plan = stage([importing()], [vm(1), vm(2, { port: 9090 })], [ownSlice({ labels })]).plan();
    expect(shown(plan)).toEqual(['create orders-# http=9090/TCP 10.20.0.2']);
  });

  it('is removed from a Service that it was moved to', () => {
    const labels = marked('prod', { 'kubernetes.io/service-name': 'other', [LABEL.sliceManagedBy]: 'consular.dev' });
    const other = service({ name: 'other', uid: 'other' });
    const { plan } = stage([importing(), other], [vm(1)], [ownSlice({ labels })]);
    expect(shown(plan('shop/other'))).toEqual(['remove orders-#']);
    expect(shown(plan())).toEqual(['create orders-# http=8080/TCP 10.20.0.1']);
  });
});

describe('slices that are not ours', () => {
  it.each<[string, Partial<EndpointSlice>]>([
    ['of a mirrored Service', { labels: marked('prod'), annotations: annotations({ 'consul-service': 'orders' }) }],
    [
      "of Kubernetes' own controller, which copies the labels of a mirrored Service",
      { labels: marked('prod', { [LABEL.sliceManagedBy]: 'endpointslice-controller.k8s.io' }) },
    ],
    [
      'of the Consular of another cluster',
      {
        labels: marked('other', { [LABEL.sliceManagedBy]: 'consular.dev' }),
        annotations: strings({ [ANNOTATION.importedFrom]: 'billing' }),
      },
    ],
  ])('are never touched: %s', (_, overrides) => {
    const labels = new Map([...(overrides.labels ?? []), ['kubernetes.io/service-name', 'orders']]);
    const slice = othersSlice(['10.20.0.1'], { ...overrides, labels });
    const { plan, planner } = stage([service()], [vm(1)], [slice]);
    expect(planner.keys()).toEqual([]);
    expect(shown(plan())).toEqual([]);
  });
});

describe('which Services take what in', () => {
  it('is known by the Consul service, in lower case, also while there is a mistake', () => {
    const { planner } = stage(
      [
        importing(),
        importing({ import: 'BILLING', 'import-port': 'x' }, { name: 'mistaken' }),
        importing({ import: 'consul' }, { name: 'denied' }),
        service({ name: 'silent' }),
      ],
      [],
    );
    expect([...planner.names()]).toEqual(['billing']);
    expect(planner.importing('billing').map(({ name }) => name)).toEqual(['orders', 'mistaken']);
    expect(planner.keys()).toEqual(['shop/denied', 'shop/mistaken', 'shop/orders']);
    expect(planner.count).toBe(2);
  });
});
