import { describe, expect, it } from '@jest/globals';
import type { ServiceInstance } from '../../../../src/consul/types.ts';
import type { Service } from '../../../../src/kubernetes/objects.ts';
import { createMetrics } from '../../../../src/observability/metrics.ts';
import { ANNOTATION } from '../../../../src/mark.ts';
import { runImports } from '../../../../src/to-kubernetes/imports/index.ts';
import { Planner } from '../../../../src/to-kubernetes/plan/planner.ts';
import { annotations, instance, marked, owner, service, slice, strings, toKubernetesConfig } from '../../builders.ts';
import { catalogOf, NO_HOSTS, views } from '../views.ts';
import { importing, KEY, othersSlice, written } from './stage.ts';

/** The loop of imports among plain objects that write down what it does. */
function stage(services: readonly Service[], instances?: readonly ServiceInstance[]) {
  const did: string[] = [];
  const consul = new Map(instances ? [['billing', instances]] : []);
  /** What a read of Consul brings. */
  const answers: { billing: readonly ServiceInstance[] | undefined } = { billing: [instance()] };
  const shown = views({ services });
  const listeners: ((name: string) => void)[] = [];
  const subscribe = (listener: (name: string) => void) => void listeners.push(listener);
  const config = toKubernetesConfig({ namespaces: ['shop'], importNamespaces: ['shop'] });
  const { sources } = new Planner(owner, config, shown, catalogOf(consul), NO_HOSTS);
  const metrics = createMetrics();
  const loop = runImports({
    ...{ sources, metrics },
    catalog: {
      ...{ subscribe, instances: (name) => consul.get(name) },
      refresh: (name) => {
        did.push(`refresh ${name}`);
        if (answers.billing === undefined) return Promise.reject(new Error('cannot be read'));
        return Promise.resolve(void consul.set(name, answers.billing));
      },
      confirm: (name) => {
        did.push(`confirm ${name}`);
        return Promise.resolve(void consul.set(name, answers.billing ?? []));
      },
      want: (name) => void did.push(`want ${name}`),
      unwant: (name) => void did.push(`unwant ${name}`),
    },
    hosts: { subscribe, want: (host, name) => void did.push(`look up ${host} for ${name}`) },
    writer: {
      applyImport: ({ slices: { create, update, remove } }) => {
        did.push(`write ${create.length}, ${update.length}, ${remove.length}`);
        for (const wish of create) shown.endpointSlices.put(written(wish));
        return Promise.resolve();
      },
    },
    report: { imports: (key, { problems }) => void did.push(`report ${key}: ${problems.length}`) },
    enqueue: (key) => void did.push(`enqueue ${key}`),
    onWritten: (key) => void did.push(`written ${key}`),
  });
  /** What happens because of a change. */
  const after = async (change: () => unknown): Promise<string[]> => {
    did.length = 0;
    await change();
    return [...did];
  };
  const reconcile = () => after(() => loop.reconcile(`Service ${KEY}`));
  return { ...{ loop, did, consul, answers, metrics, views: shown, listeners }, after, reconcile };
}

const asking = importing();
const newer = (change: Partial<Service>) => ({ ...asking, resourceVersion: '101', ...change });

describe('a Service that takes a Consul service in', () => {
  it('is looked at from the beginning, and its Consul service is read', () => {
    const { did, loop } = stage([asking, service({ name: 'other' })]);
    expect(did).toEqual(['want billing', 'enqueue billing', `enqueue Service ${KEY}`]);
    expect([loop.count, loop.takesIn('billing'), loop.takesIn('other')]).toEqual([1, true, false]);
    expect([loop.hasKey(`Service ${KEY}`), loop.hasKey('service shop')]).toEqual([true, false]);
  });

  it('is looked at when its Consul service changes, or a host name of that', async () => {
    const { after, listeners } = stage([asking]);
    for (const listener of listeners) {
      expect(await after(() => listener('billing'))).toEqual([`enqueue Service ${KEY}`]);
      expect(await after(() => listener('other'))).toEqual([]);
    }
  });

  it('is looked at when it changes; what it takes in is followed or not as it says', async () => {
    const { after, views } = stage([asking]);
    expect(await after(() => views.services.put(newer({ type: 'NodePort' })))).toContain(`enqueue Service ${KEY}`);
    const other = newer({ resourceVersion: '102', annotations: annotations({ import: 'Orders' }) });
    expect(new Set(await after(() => views.services.put(other)))).toEqual(
      new Set(['unwant billing', 'enqueue billing', 'want orders', 'enqueue orders', `enqueue Service ${KEY}`]),
    );
    expect(new Set(await after(() => views.services.drop(other)))).toEqual(
      new Set(['unwant orders', 'enqueue orders', `enqueue Service ${KEY}`]),
    );
    expect(await after(() => views.services.put(service({ name: 'other' })))).toEqual([]);
  });

  it('is looked at when a slice of it changes, and so is the mirrored Service that it was', async () => {
    const { after, views } = stage([asking]);
    expect(await after(() => views.endpointSlices.put(othersSlice(['10.1.0.1'])))).toEqual([`enqueue Service ${KEY}`]);
    const left = slice({
      ...{ name: 'left', labels: marked('prod', { 'kubernetes.io/service-name': 'orders' }) },
      annotations: strings({ [ANNOTATION.consulService]: 'Billing' }),
    });
    expect(await after(() => views.endpointSlices.put(left))).toEqual([`enqueue Service ${KEY}`, 'enqueue billing']);
    const ofOther = slice({ name: 'x', labels: strings({ 'kubernetes.io/service-name': 'other' }) });
    expect(await after(() => views.endpointSlices.put(ofOther))).toEqual([]);
  });

  it('is looked at with all others when what no endpoint may be has changed', async () => {
    const { after, loop } = stage([asking, importing({}, { name: 'web' })]);
    expect(await after(() => loop.lookAtAll())).toEqual([`enqueue Service ${KEY}`, 'enqueue Service shop/web']);
  });
});

describe('reconciling an import', () => {
  it('tells what is wrong with it also when its Consul service cannot be read', async () => {
    const staged = stage([importing({ 'import-port': 'nope' })]);
    staged.answers.billing = undefined;
    await expect(staged.reconcile()).rejects.toThrow('cannot be read');
    expect(staged.did).toEqual(['refresh billing', `report ${KEY}: 1`]);
  });

  it('asks for a Consul service that was not read, then writes and reports', async () => {
    const { reconcile, metrics } = stage([asking]);
    // Its own slice wakes it once more, and then there is nothing left to do.
    expect(await reconcile()).toEqual([
      ...['refresh billing', 'write 1, 0, 0', `enqueue Service ${KEY}`, `written Service ${KEY}`, `report ${KEY}: 0`],
    ]);
    expect(await reconcile()).toEqual(['write 0, 0, 0', `report ${KEY}: 0`]);
    expect((await metrics.imports.get()).values).toEqual([{ labels: {}, value: 1 }]);
  });

  it('has host names looked up', async () => {
    const { reconcile } = stage([asking], [instance({ address: 'vm-1' })]);
    expect(await reconcile()).toEqual(['look up vm-1 for billing', 'write 0, 0, 0', `report ${KEY}: 1`]);
  });

  it('takes the last endpoint of a Consul service that is gone on a fresh answer of the leader only', async () => {
    const { reconcile, consul, answers } = stage([asking], [instance()]);
    await reconcile();
    consul.set('billing', []);
    answers.billing = [instance()];
    expect(await reconcile()).toEqual(['confirm billing', 'write 0, 0, 0', `report ${KEY}: 0`]);
    consul.set('billing', []);
    answers.billing = [];
    expect(await reconcile()).toEqual([
      ...['confirm billing', 'write 0, 0, 1', `written Service ${KEY}`, `report ${KEY}: 1`],
    ]);
  });

  it('believes at once that no instance is healthy', async () => {
    const { reconcile, consul } = stage([asking], [instance()]);
    await reconcile();
    consul.set('billing', [instance({ status: 'critical' })]);
    expect(await reconcile()).toEqual(['write 0, 0, 1', `written Service ${KEY}`, `report ${KEY}: 0`]);
  });

  it('of a Service that is gone, or may not have anything, asks Consul for nothing', async () => {
    expect(await stage([]).reconcile()).toEqual(['write 0, 0, 0', `report ${KEY}: 0`]);
    const denied = importing({}, { type: 'ExternalName' });
    expect(await stage([denied]).reconcile()).toEqual(['write 0, 0, 0', `report ${KEY}: 1`]);
  });
});
