import { describe, expect, it } from '@jest/globals';
import {
  SERVICE_NAME_LABEL,
  type Endpoints,
  type KubernetesObject,
  type Pod,
  type WorkloadEntry,
} from '../../../src/kubernetes/objects.ts';
import type { View } from '../../../src/kubernetes/view.ts';
import { ANNOTATION } from '../../../src/mark.ts';
import { toHashedServiceName } from '../../../src/to-kubernetes/names/service-name.ts';
import { Planner } from '../../../src/to-kubernetes/plan/planner.ts';
import { subscribe, subscribeToAddresses, subscribeToConsul } from '../../../src/to-kubernetes/subscriptions.ts';
import { instance, marked, owner, pod, service, slice, strings, toKubernetesConfig } from '../builders.ts';
import { catalogOf, NO_HOSTS, serviceCIDR, viewOf, views, workloadEntries } from './views.ts';

const ours = { labels: marked(), annotations: strings({ [ANNOTATION.consulService]: 'Billing' }) };
const mirrored = service({ name: 'billing', ...ours });

function stage() {
  const entries = workloadEntries();
  const pods: { view: View<Pod> | undefined } = { view: undefined };
  const kept = new Map([['shop', viewOf<Endpoints>()]]);
  const shown = {
    ...views({ services: [mirrored] }),
    ...{ endpoints: kept, workloadEntries: entries, pods: () => pods.view },
  };
  const catalog = catalogOf(
    new Map([
      ['billing', [instance()]],
      ['orders', []],
    ]),
  );
  const planner = new Planner(owner, toKubernetesConfig(), shown, catalog, NO_HOSTS);
  const woken: string[] = [];
  subscribe(shown, planner, (names) => woken.push(...names));
  /** The names that a change wakes. */
  const wakes = (change: () => void): string[] => {
    woken.length = 0;
    change();
    return [...new Set(woken)];
  };
  /** The same of an object that comes and goes. */
  const wakesWith = <T extends KubernetesObject>(view: View<T> | undefined, object: T): string[][] => [
    wakes(() => view?.put(object)),
    wakes(() => view?.drop(object)),
  ];
  return { views: shown, kept, entries, pods, wakes, wakesWith };
}

describe('a change in Consul', () => {
  it('has its name known before it is looked at, and whatever is told apart by it', () => {
    const did: string[] = [];
    const catalog = { subscribe: (listener: (name: string) => void) => listener('billing') };
    const planner = { learn: (name: string) => (did.push(`learn ${name}`), [name, `${name}-mgmt`]) };
    subscribeToConsul(catalog, planner, (names) => did.push(...names));
    expect(did).toEqual(['learn billing', 'billing', 'billing-mgmt']);
  });
});

describe("somebody else's Service", () => {
  it.each([
    ['the name that a Consul service would like', 'billing', ['billing']],
    ['the name that it takes when another has that one', toHashedServiceName('billing'), ['billing']],
    ['any other name', 'billing-0123abcd', []],
  ])('with %s wakes whoever waits for it, when it comes and when it goes', (_, name, expected) => {
    const { views, wakesWith } = stage();
    expect(wakesWith(views.services, service({ name, namespace: 'web' }))).toEqual([expected, expected]);
  });
});

describe('an object of ours', () => {
  const endpoints: Endpoints = { ...service({ name: 'billing', ...ours }), subsets: [], ownerUid: '' };

  it('wakes the name that it is for', () => {
    const { views, wakesWith } = stage();
    expect(wakesWith(views.services, service({ name: 'copy', ...ours }))).toEqual([['billing'], ['billing']]);
    expect(wakesWith(views.endpointSlices, slice(ours))).toEqual([['billing'], ['billing']]);
    expect(wakesWith(views.endpoints.get('shop'), endpoints)).toEqual([['billing'], ['billing']]);
    expect(wakesWith(views.endpointSlices, slice())).toEqual([[], []]);
  });

  it("that Kubernetes' own controllers made wakes the name of its Service", () => {
    const { views, wakesWith } = stage();
    const left = slice({ labels: marked(owner.cluster, { [SERVICE_NAME_LABEL]: 'billing' }) });
    expect(wakesWith(views.endpointSlices, left)).toEqual([['billing'], []]);
    const unsigned = { ...endpoints, annotations: strings() };
    expect(wakesWith(views.endpoints.get('shop'), unsigned)).toEqual([['billing'], ['billing']]);
  });
});

describe('a namespace', () => {
  it('wakes all names when it is closed or opened, and its v1 Endpoints wake their own from then on', () => {
    const { kept, views, wakes, wakesWith } = stage();
    expect(wakes(() => views.namespaces.close('shop'))).toEqual(['billing', 'orders']);
    const view = viewOf<Endpoints>();
    kept.set('shop', view);
    expect(wakes(() => views.namespaces.open('shop'))).toEqual(['billing', 'orders']);
    const endpoints: Endpoints = { ...service({ name: 'billing', ...ours }), subsets: [], ownerUid: '' };
    expect(wakesWith(view, endpoints)).toEqual([['billing'], ['billing']]);
  });
});

describe('WorkloadEntries', () => {
  const entry: WorkloadEntry = {
    ...service({ name: 'billing-1', ...ours }),
    ...{ address: '10.1.0.7', ports: new Map(), workloadLabels: strings(), locality: '', weight: 1 },
    ...{ serviceAccount: '', ownerUid: '' },
  };

  it('wake all names when the kind comes and goes, and each wakes its own', () => {
    const { entries, wakes } = stage();
    expect(wakes(() => entries.lose('still not there'))).toEqual(['billing', 'orders']);
    let view: View<WorkloadEntry> | undefined;
    expect(wakes(() => (view = entries.find()))).toEqual(['billing', 'orders']);
    expect(wakes(() => view?.put(entry))).toEqual(['billing']);
  });

  it('at an address that a pod gets, or loses to another, wake their name', () => {
    const { entries, pods, wakes } = stage();
    pods.view = viewOf<Pod>();
    entries.find(entry);
    // However often the kind is found.
    entries.find(entry);
    const view = pods.view;
    expect(wakes(() => view.put(pod()))).toEqual(['billing']);
    expect(wakes(() => view.put(pod({ resourceVersion: '101' })))).toEqual([]);
    expect(wakes(() => view.put(pod({ resourceVersion: '102', podIPs: ['10.1.0.8'] })))).toEqual([]);
    expect(wakes(() => view.drop(pod()))).toEqual([]);
  });
});

describe('what no endpoint may be', () => {
  it('has changed when a range of Services or the address of the API server has', () => {
    const shown = views({ serviceCIDRs: [] });
    let looks = 0;
    subscribeToAddresses(shown, () => looks++);
    shown.serviceCIDRs?.put(serviceCIDR('new', '10.98.0.0/16'));
    expect(looks).toBe(1);
    const api = slice({ namespace: 'default', labels: strings({ [SERVICE_NAME_LABEL]: 'kubernetes' }) });
    shown.endpointSlices.put(api);
    shown.endpointSlices.drop(api);
    expect(looks).toBe(3);
    shown.endpointSlices.put(slice());
    expect(looks).toBe(3);
  });

  it('is known by the addresses of the API server alone where there are no ranges', () => {
    expect(() => subscribeToAddresses(views({}), () => undefined)).not.toThrow();
  });
});
