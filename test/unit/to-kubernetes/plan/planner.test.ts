import { describe, expect, it } from '@jest/globals';
import { ANNOTATION } from '../../../../src/mark.ts';
import type { ServiceInstance } from '../../../../src/consul/types.ts';
import type { Service } from '../../../../src/kubernetes/objects.ts';
import { Planner } from '../../../../src/to-kubernetes/plan/planner.ts';
import { toHashedServiceName } from '../../../../src/to-kubernetes/names/service-name.ts';
import { instance, marked, owner, service, slice, strings, toKubernetesConfig } from '../../builders.ts';
import { TaggedCatalog } from '../../../../src/to-kubernetes/tagged-catalog.ts';
import { catalogOf, NO_HOSTS, views } from '../views.ts';

const vm = (name: string, overrides: Partial<ServiceInstance> = {}) =>
  instance({ service: name, id: name, ...overrides });
const mirrored = (name: string, overrides: Partial<Service> = {}) =>
  service({
    ...{ name, uid: `uid-of-${name}`, labels: marked(), selector: strings() },
    annotations: strings({ [ANNOTATION.consulService]: name }),
    ...overrides,
  });

/** Consul services by name, with one instance each, beside what Kubernetes has. */
function stage(names: readonly string[], services: readonly Service[] = [], maxServices = 500) {
  const consul = new Map(names.map((name) => [name, [vm(name)]]));
  const shown = views({ services });
  const config = toKubernetesConfig({ namespaces: ['shop'], maxServices });
  const planner = new Planner(owner, config, shown, catalogOf(consul), NO_HOSTS);
  return {
    ...{ consul, planner, views: shown },
    /** Plans these names one after the other, as the loop does. */
    plans: (...planned: string[]) =>
      planned.map((name) => {
        const plan = planner.plan(name, false);
        planner.note(name, plan);
        return plan;
      }),
    /** The Services that would be made. */
    made: (name: string) =>
      planner.plan(name, false).namespaces.flatMap(({ service }) => service.create.map(({ name }) => name)),
  };
}

describe('a name of which Consul may have lost instances', () => {
  const ours = vm('billing', { meta: strings({ 'managed-by': 'consular' }) });

  it.each<[string, readonly ServiceInstance[] | undefined, readonly Service[], boolean, boolean]>([
    ['shows nothing to mirror, and has a Service', [ours], [mirrored('billing')], false, false],
    ['shows nothing to mirror, and has nothing in Kubernetes', [ours], [], false, true],
    ['shows an instance', [vm('billing')], [mirrored('billing')], false, true],
    ['shows nothing to mirror, which is all that there is', [ours], [mirrored('billing')], true, true],
    ['was not read', undefined, [mirrored('billing')], true, false],
  ])('that %s', (_, instances, services, isComplete, isKnown) => {
    const consul = new Map(instances ? [['billing', instances]] : []);
    const catalog = catalogOf(consul, new Set(isComplete ? [] : ['billing']));
    const config = toKubernetesConfig({ namespaces: ['shop'] });
    expect(new Planner(owner, config, views({ services }), catalog, NO_HOSTS).isKnown('billing')).toBe(isKnown);
  });
});

describe('a management entry of Spring', () => {
  function stageOf(include: string[]) {
    const consul = new Map([
      ['orders', [vm('orders', { id: 'orders-1' })]],
      ['orders-mgmt', [vm('orders-mgmt', { id: 'orders-1-mgmt' })]],
      ['user-management', [vm('user-management')]],
    ]);
    const config = toKubernetesConfig({ namespaces: ['shop'], services: { include, exclude: [] } });
    const planner = new Planner(owner, config, views({}), catalogOf(consul), NO_HOSTS);
    return { planner, mirrored: planner.keys().filter((name) => planner.isMirrored(name)) };
  }

  it('is not mirrored, and what is only called like one is', () => {
    expect(stageOf(['*']).mirrored).toEqual(['orders', 'user-management']);
  });

  it('is mirrored when the settings have its name, and not because of a pattern', () => {
    expect(stageOf(['*', 'orders-mgmt']).mirrored).toEqual(['orders', 'orders-mgmt', 'user-management']);
    expect(stageOf(['orders-*']).mirrored).toEqual([]);
  });
});

describe('a Service for a tag', () => {
  const tagServices = [{ service: 'db-*', tags: ['master'] }];
  const made = mirrored('db-main-master', { annotations: strings({ [ANNOTATION.consulService]: 'db-main/master' }) });

  function plannerOf(
    instances: readonly ServiceInstance[],
    services: readonly Service[] = [],
    include: string[] = ['db-main'],
  ): Planner {
    const consul = new Map([['db-main', instances]]);
    const config = toKubernetesConfig({ namespaces: ['shop'], tagServices, services: { include, exclude: [] } });
    const read = { ...catalogOf(consul), subscribe: () => undefined };
    const none = () => Promise.resolve();
    const ignored = () => undefined;
    const catalog = new TaggedCatalog(
      {
        ...read,
        ...{ refresh: none, confirm: none, want: ignored, unwant: ignored, follow: ignored, unfollow: ignored },
      },
      tagServices,
    );
    return new Planner(owner, config, views({ services }), catalog, NO_HOSTS);
  }
  const master = vm('db-main', { tags: ['master'] });

  it('has the name of both, and is selected with its Consul service', () => {
    const planner = plannerOf([master]);
    expect(planner.keys()).toEqual(['db-main', 'db-main/master']);
    const created = planner.plan('db-main/master', false).namespaces.flatMap(({ service }) => service.create);
    expect(created).toMatchObject([{ name: 'db-main-master', consulService: 'db-main/master' }]);
    expect(plannerOf([master], [], ['other']).isMirrored('db-main/master')).toBe(false);
  });

  it('is not made before an instance has the tag', () => {
    expect(plannerOf([vm('db-main')]).isMirrored('db-main/master')).toBe(false);
  });

  it('stays while none has it, as long as the Consul service has any', () => {
    expect(plannerOf([vm('db-main')], [made]).isMirrored('db-main/master')).toBe(true);
    expect(plannerOf([], [made]).isMirrored('db-main/master')).toBe(false);
  });
});

describe('the limit of mirrored services', () => {
  it('goes to whoever comes first, and is told to the others', () => {
    const { plans } = stage(['a', 'b', 'c'], [], 2);
    expect(plans('c', 'a', 'b', 'c').map(({ overLimit }) => overLimit)).toEqual([false, false, true, false]);
    const [late] = plans('b');
    expect(late).toMatchObject({ mirrored: true, namespaces: [], problems: [{ reason: 'TooManyServices' }] });
  });

  it('is not used up by a plan that nobody notes', () => {
    const { planner } = stage(['a', 'b'], [], 1);
    const isOver = () => ['a', 'b'].map((name) => planner.plan(name, false).overLimit);
    expect(isOver()).toEqual([false, false]);
    planner.note('b', planner.plan('b', false));
    expect(isOver()).toEqual([true, false]);
    expect(planner.waiting).toBe(0);
  });

  it('keeps the place of what has objects of ours, also beyond it', () => {
    const { plans } = stage(['a', 'b', 'c'], [mirrored('b'), mirrored('c')], 1);
    expect(plans('a', 'b', 'c').map(({ overLimit }) => overLimit)).toEqual([true, false, false]);
  });

  it('lets the next in when a place is free, and not before its Service is gone', () => {
    const gone = mirrored('a');
    const { plans, planner, consul, views } = stage(['a', 'b'], [gone], 1);
    plans('b');
    expect(planner.waiting).toBe(1);
    consul.delete('a');
    plans('a');
    expect([...planner.release('a')]).toEqual([]);
    views.services.drop(gone);
    expect([...planner.release('a')]).toEqual(['b']);
    expect(plans('b').map(({ overLimit }) => overLimit)).toEqual([false]);
    expect(planner.waiting).toBe(0);
  });
});

describe('a name that nobody can ask Consul for', () => {
  it.each(['.', '..'])('is told as long as Consul lists it: %s', (name) => {
    const { planner, consul, plans } = stage(['a']);
    const unread: ReadonlyMap<string, readonly ServiceInstance[] | undefined> = consul;
    const catalog = {
      names: () => [...unread.keys(), name],
      spelling: String,
      instances: (of: string) => unread.get(of),
      isComplete: () => true,
      stays: () => false,
    };
    const config = toKubernetesConfig({ namespaces: ['shop'] });
    const listing = new Planner(owner, config, views({}), catalog, NO_HOSTS);
    expect(listing.plan(name, false)).toMatchObject({
      ...{ mirrored: false, namespaces: [] },
      problems: [{ reason: 'UnreadableService', isWarning: false }],
    });
    expect(planner.plan(name, false).problems).toEqual([]);
    expect(plans('a')).toMatchObject([{ mirrored: true, problems: [] }]);
  });
});

describe('names that become the same', () => {
  const hashed = toHashedServiceName('my_app');

  it('are kept apart, and the plan of the second says which it gave way to', () => {
    const { planner, made } = stage(['my-app', 'my_app']);
    expect([made('my-app'), made('my_app')]).toEqual([['my-app'], [hashed]]);
    expect(planner.plan('my-app', false).rivals).toEqual([]);
    expect(planner.plan('my_app', false)).toMatchObject({
      rivals: ['my-app'],
      namespaces: [{ problems: [{ reason: 'NameCollision' }] }],
    });
  });

  it('are looked at again, once, when the name that they gave way to gives up its claim', () => {
    const { planner, plans, consul, made } = stage(['my-app', 'my_app', 'my.app', 'other']);
    plans('my-app', 'my_app', 'my.app', 'other');
    expect([...planner.release('my-app')]).toEqual([]);
    consul.delete('my-app');
    plans('my-app');
    expect([...planner.release('my-app')].sort()).toEqual(['my.app', 'my_app']);
    expect([...planner.release('my-app')]).toEqual([]);
    expect([made('my.app'), made('my_app')]).toEqual([['my-app'], [hashed]]);
  });

  it('never wake each other when none of them is mirrored', () => {
    const { planner, plans, consul } = stage(['my-app', 'my_app']);
    consul.clear();
    plans('my-app', 'my_app');
    expect([...planner.release('my-app'), ...planner.release('my_app')]).toEqual([]);
  });

  it('give way to none that finds no place under the limit', () => {
    const { planner, plans, consul, made } = stage(['my-app', 'my_app', 'other'], [], 1);
    plans('other', 'my-app');
    consul.delete('other');
    plans('other');
    expect([...planner.release('other')]).toEqual(['my-app']);
    // The one place that became free goes to the name that comes first.
    expect(made('my_app')).toEqual(['my-app']);
    expect(plans('my_app', 'my-app').map(({ overLimit, rivals }) => [overLimit, rivals])).toEqual([
      [false, []],
      [true, []],
    ]);
  });

  it('are looked at again, once, when one that they gave way to finds no place after all', () => {
    const { planner, plans } = stage(['my-app', 'my_app', 'other'], [], 2);
    const note = (name: string) => [...planner.note(name, planner.plan(name, false))];
    expect(plans('my_app')).toMatchObject([{ rivals: ['my-app'] }]);
    plans('other');
    expect(note('my-app')).toEqual(['my_app']);
    expect(planner.plan('my_app', false)).toMatchObject({ overLimit: false, rivals: [] });
    expect([...note('my_app'), ...note('my-app'), ...note('my_app')]).toEqual([]);
  });

  it('are known as soon as Consul tells of them: the exact name is first also when its plan comes later', () => {
    const { planner, plans, consul, made } = stage(['my-app', 'my_app']);
    consul.clear();
    plans('my-app', 'my_app');
    for (const name of ['my-app', 'my_app']) planner.release(name);
    for (const name of ['my_app', 'my-app']) {
      consul.set(name, [vm(name)]);
      planner.learn(name);
    }
    expect([made('my_app'), made('my-app')]).toEqual([[hashed], ['my-app']]);
  });

  it('are not learnt of what is not to be mirrored, and not forgotten as long as Consul has any instance', () => {
    const { planner, plans, consul } = stage(['my-app']);
    planner.learn('my.app');
    expect(planner.namesWanting('my-app')).toEqual(['my-app']);
    consul.set('my-app', [vm('my-app', { meta: strings({ 'managed-by': 'consular', 'k8s-cluster': owner.cluster }) })]);
    plans('my-app');
    planner.release('my-app');
    expect(planner.namesWanting('my-app')).toEqual(['my-app']);
  });

  it('are forgotten with their claim, and known again when they are noted', () => {
    const { planner, plans, consul } = stage(['my-app']);
    expect(planner.namesWanting('my-app')).toEqual(['my-app']);
    consul.delete('my-app');
    plans('my-app');
    planner.release('my-app');
    expect(planner.namesWanting('my-app')).toEqual([]);
    consul.set('my-app', [vm('my-app')]);
    plans('my-app');
    expect(planner.namesWanting('my-app')).toEqual(['my-app']);
  });

  it('give way to one that has a Service although Consul has it no more', () => {
    const { planner } = stage(['my_app'], [mirrored('my-app')]);
    expect(planner.plan('my_app', false).rivals).toEqual(['my-app']);
  });
});

describe('a plan', () => {
  it('covers the namespaces that are configured, and those that have something', () => {
    const { planner } = stage(['a'], [mirrored('a', { namespace: 'old' })]);
    expect(planner.plan('a', false).namespaces.map(({ namespace }) => namespace)).toEqual(['shop']);
    expect(planner.owned).toBe(1);
    expect(planner.keys()).toEqual(['a']);
  });

  it('names the host names of all instances, also of those that are not well', () => {
    const { planner, consul } = stage(['a']);
    consul.set('a', [
      vm('a', { address: 'vm-1' }),
      vm('a', { id: 'b', address: 'vm-2', status: 'critical' }),
      vm('a', { id: 'c', address: 'vm-1', port: 9090 }),
      vm('a', { id: 'd', address: '10.20.0.4' }),
    ]);
    expect(planner.plan('a', false).hosts).toEqual(['vm-1', 'vm-2']);
  });

  it('of a name that is not selected, or that only Kubernetes has, mirrors nothing', () => {
    const { planner, consul } = stage(['consul']);
    expect(planner.plan('consul', false)).toMatchObject({ mirrored: false, overLimit: false, namespaces: [] });
    consul.clear();
    expect(planner.isMirrored('gone')).toBe(false);
  });
});

describe('a namespace that is closed', () => {
  const inPlan = (planner: Planner, name: string, expired = false) =>
    planner
      .plan(name, expired)
      .namespaces.map(({ namespace, service }) => [namespace, service.create.length, service.remove.length]);
  const both = (namespaces: readonly string[], services: readonly Service[], consul: readonly string[] = ['a']) => {
    const slices = services.map(({ namespace, uid, labels, annotations }) =>
      slice({ namespace, name: 'a-1', labels, annotations, ownerUid: uid }),
    );
    const shown = views({ services, slices });
    const config = toKubernetesConfig({ namespaces: [...namespaces] });
    const instances = new Map<string, ServiceInstance[]>([['a', consul.map((name) => vm(name))]]);
    return { shown, planner: new Planner(owner, config, shown, catalogOf(instances), NO_HOSTS) };
  };
  const copies = ['shop', 'web'].map((namespace) => mirrored('a', { namespace }));

  it.each<[string, readonly Service[], readonly string[], readonly (readonly [string, number, number])[]]>([
    ['gets no Service, and the other one does', [], ['a'], [['web', 1, 0]]],
    ['keeps the Service of a Consul service that is gone, and the other one does not', copies, [], [['web', 0, 1]]],
  ])('%s', (_, services, consul, expected) => {
    const { shown, planner } = both(['shop', 'web'], services, consul);
    shown.namespaces.close('shop');
    expect(inPlan(planner, 'a', true)).toEqual(expected);
    shown.namespaces.open('shop');
    expect(inPlan(planner, 'a', true).map(([namespace]) => namespace)).toEqual(['shop', 'web']);
  });

  it('holds up nothing in one that is not in the settings any more', () => {
    const { shown, planner } = both(['shop'], copies);
    shown.namespaces.close('shop');
    expect(inPlan(planner, 'a').map(([namespace]) => namespace)).toEqual(['web']);
  });
});
