import { describe, expect, it } from '@jest/globals';
import { SERVICE_NAME_LABEL, type EndpointSlice, type WorkloadEntry } from '../../../../src/kubernetes/objects.ts';
import { desiredEndpoints } from '../../../../src/to-kubernetes/objects/endpoints.ts';
import { desiredService } from '../../../../src/to-kubernetes/objects/service.ts';
import { desiredSlices, type DesiredSlice } from '../../../../src/to-kubernetes/objects/slice.ts';
import { desiredWorkloadEntries } from '../../../../src/to-kubernetes/objects/workload-entry.ts';
import { RefusedEndpoints } from '../../../../src/to-kubernetes/write/refused-endpoints.ts';
import { createWriter, NameTaken } from '../../../../src/to-kubernetes/write/writer.ts';
import { ANNOTATION } from '../../../../src/mark.ts';
import { endpoint, endpointPort, marked, owner, service, slice, strings, toKubernetesConfig } from '../../builders.ts';
import { addresses, mirrored } from '../mirrored.ts';
import { ourBilling } from '../plan/targets.ts';
import { NO_DISPUTES, PlainApi, RESOURCES } from '../plain-api.ts';
import { namespacePlan } from '../plans.ts';
import { views, workloadEntries } from '../views.ts';

const ours = ourBilling();
const billing = mirrored({ endpoints: addresses(1) });
const NOTHING = { create: [], update: [], remove: [] };
const wished = desiredService('billing', billing, 'service');
const endpoints = desiredEndpoints('billing', billing);
const [wishedSlice] = desiredSlices('billing', billing, []);
if (!wishedSlice) throw new Error('expected a slice');
const [wishedEntry] = desiredWorkloadEntries('billing', billing, billing.endpoints, toKubernetesConfig().istio);
if (!wishedEntry) throw new Error('expected an entry');

/** A slice as it should be, with these last bytes of 10.20.0.x. */
const wish = (name: string, ...lasts: number[]): DesiredSlice => ({
  ...wishedSlice,
  name,
  endpoints: lasts.map((last) => ({ address: `10.20.0.${last}`, zone: '', host: '' })),
});
/** The same as it is. */
const observed = (name: string, ...lasts: number[]): EndpointSlice =>
  slice({
    ...{ name, uid: `uid-of-${name}`, labels: marked(owner.cluster, { [SERVICE_NAME_LABEL]: 'billing' }) },
    ports: [endpointPort({ name: 'main' })],
    endpoints: lasts.map((last) => endpoint(`10.20.0.${last}`)),
  });
const entry = (name: string, address: string): WorkloadEntry => ({
  ...service({ name, uid: `uid-of-${name}` }),
  ...{ address, ports: new Map([['main', 8080]]), workloadLabels: strings({ old: 'x' }), locality: '', weight: 1 },
  ...{ serviceAccount: '', ownerUid: ours.uid },
});

function stage(slices: readonly EndpointSlice[] = [], services = [ours]) {
  const api = new PlainApi();
  const entries = workloadEntries();
  const refused = new RefusedEndpoints({ now: () => 0 });
  /** What was told of writes that the API server took. */
  const written: string[] = [];
  const shown = { ...views({ services, slices }), workloadEntries: entries };
  return {
    api,
    views: shown,
    entries,
    refused,
    written,
    writer: createWriter(
      ...([
        owner,
        api,
        RESOURCES,
        shown,
        () => ({ index: 7, nonce: 'n' }),
        { refused, disputes: NO_DISPUTES },
      ] as const),
      ({ action, kind, object: { name } }) => written.push(`${action} ${kind} ${name}`),
    ),
  };
}
const addressesIn = (slices: Iterable<EndpointSlice>) =>
  Object.fromEntries(
    [...slices].map(({ name, endpoints }) => [name, endpoints.map(({ address }) => address.split('.')[3]).join()]),
  );

describe('the plan of a namespace', () => {
  it('is written with what comes first and the Service before all, and what goes last, the other way round', async () => {
    const old = { service: service({ name: 'old' }), slice: observed('old'), entry: entry('old', '10.20.9.9') };
    const { api, entries, writer, views, written } = stage([old.slice], []);
    entries.find(old.entry);
    views.services.put(old.service);
    await writer.apply(
      namespacePlan({
        service: { ...NOTHING, create: [wished], remove: [old.service] },
        slices: { ...NOTHING, create: [wishedSlice], remove: [old.slice] },
        endpoints: { ...NOTHING, create: [endpoints], remove: [{ ...old.service, subsets: [], ownerUid: '' }] },
        workloadEntries: { ...NOTHING, create: [wishedEntry], remove: [old.entry] },
      }),
    );
    expect(api.calls).toEqual([
      'create Service shop/billing',
      `create EndpointSlice shop/${wishedSlice.name}`,
      'create Endpoints shop/billing',
      `create WorkloadEntry shop/${wishedEntry.name}`,
      'delete WorkloadEntry shop/old',
      'delete Endpoints shop/old',
      'delete EndpointSlice shop/old',
      'delete Service shop/old',
    ]);
    const past = { create: 'created', delete: 'deleted' } as const;
    expect(written).toEqual(
      api.calls.map((call) =>
        call.replace(/^create|^delete/, (verb) => past[verb as keyof typeof past]).replace('shop/', ''),
      ),
    );
    // What was answered is in the views at once: the slice belongs to the Service that was just made.
    const made = views.services.get('shop/billing');
    expect(views.endpointSlices.get(`shop/${wishedSlice.name}`)?.ownerUid).toBe(made?.uid);
    expect(views.endpoints.get('shop')?.get('shop/billing')?.ownerUid).toBe(made?.uid);
    expect([...views.services.values()]).toEqual([made]);
    expect(addressesIn(views.endpointSlices.values())).toEqual({ [wishedSlice.name]: '0' });
  });

  it('updates by a patch of what we write, and takes away what an entry should not have any more', async () => {
    const { api, entries, writer } = stage();
    const before = entry(wishedEntry.name, '10.20.0.0');
    entries.find(before);
    await writer.apply(
      namespacePlan({
        service: { ...NOTHING, update: [{ desired: wished, observed: ours }] },
        workloadEntries: { ...NOTHING, update: [{ desired: wishedEntry, observed: before }] },
      }),
    );
    expect(api.calls).toEqual(['patch Service shop/billing', `patch WorkloadEntry shop/${wishedEntry.name}`]);
    expect(api.bodies[0]).toMatchObject({ spec: { selector: null } });
    expect(api.bodies[1]).toMatchObject({ spec: { labels: { old: null } } });
  });

  it('goes on after a failure, and throws the first one in the end', async () => {
    const { api, writer, views } = stage();
    api.refuses = (call) => (call.startsWith('create Service') ? 422 : call.includes('Endpoints ') ? 500 : undefined);
    const plan = namespacePlan({
      service: { ...NOTHING, create: [wished] },
      slices: { ...NOTHING, create: [wishedSlice] },
      endpoints: { ...NOTHING, create: [endpoints] },
    });
    await expect(writer.apply(plan)).rejects.toThrow(/^create Service shop\/billing: .*422/);
    expect(api.calls).toHaveLength(3);
    expect(addressesIn(views.endpointSlices.values())).toEqual({ [wishedSlice.name]: '0' });
  });

  it('that makes what is there already says that the name is taken, with the cause', async () => {
    const { api, writer } = stage();
    api.refuses = () => 409;
    const failure: unknown = await writer
      .apply(namespacePlan({ service: { ...NOTHING, create: [wished] } }))
      .catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(NameTaken);
    expect(failure).toMatchObject({
      message: 'create Service shop/billing: expected no object of that name, found one',
      cause: { status: 409 },
    });
  });

  it('writes no slice of a Service that is not there', async () => {
    const { api, writer } = stage([], []);
    const plan = namespacePlan({ slices: { ...NOTHING, create: [wishedSlice] } });
    await expect(writer.apply(plan)).rejects.toThrow('expected it in the view, found none');
    expect(api.calls).toEqual([]);
  });

  it('writes no WorkloadEntry when the kind is gone', async () => {
    const { api, writer } = stage();
    await writer.apply(namespacePlan({ workloadEntries: { ...NOTHING, create: [wishedEntry] } }));
    expect(api.calls).toEqual([]);
  });
});

describe('an address that the API server refuses', () => {
  /** Refuses what has one of these addresses, by their last bytes, in slices and Endpoints alike. */
  function refusing(slices: readonly EndpointSlice[], ...lasts: number[]) {
    const whole = stage(slices);
    whole.api.refuses = (_, body) =>
      lasts.some((last) => JSON.stringify(body).includes(`"10.20.0.${last}"`)) ? 422 : undefined;
    const refusedOf = (kind: 'EndpointSlice' | 'Endpoints' = 'EndpointSlice') =>
      [1, 2, 3, 4, 5].filter(
        (last) =>
          whole.refused.of(kind, 'shop', 'billing', { address: `10.20.0.${last}`, port: 8080, protocol: 'TCP' }) !==
          undefined,
      );
    return { ...whole, refusedOf };
  }
  const update = (desired: DesiredSlice, ...lasts: number[]) =>
    namespacePlan({ slices: { ...NOTHING, update: [{ desired, observed: observed(desired.name, ...lasts) }] } });

  it('is left out and remembered: others come, and what left Consul goes', async () => {
    const { writer, views, refusedOf } = refusing([observed('a', 1, 2)], 3);
    await writer.apply(update(wish('a', 1, 3, 4), 1, 2));
    expect(addressesIn(views.endpointSlices.values())).toEqual({ a: '1,4' });
    expect(refusedOf()).toEqual([3]);
  });

  it('is left out of v1 Endpoints too, which need not find it out again', async () => {
    const { writer, api, refusedOf } = refusing([], 1);
    const both = mirrored({ endpoints: addresses(3) });
    const [slice] = desiredSlices('billing', both, []);
    if (!slice) throw new Error('expected a slice');
    await writer.apply(
      namespacePlan({
        slices: { ...NOTHING, create: [slice] },
        endpoints: { ...NOTHING, create: [desiredEndpoints('billing', both)] },
      }),
    );
    const [, , made] = api.bodies;
    expect(made).toMatchObject({ subsets: [{ addresses: [{ ip: '10.20.0.0' }, { ip: '10.20.0.2' }] }] });
    expect(api.trials.some((call) => call.includes('Endpoints '))).toBe(false);
    expect([refusedOf(), refusedOf('Endpoints')]).toEqual([[1], []]);
  });

  it('only in v1 Endpoints is left out there, and costs no slice', async () => {
    const { writer, api, views, refusedOf } = refusing([], 1);
    const refuses = api.refuses;
    api.refuses = (call, body) => (call.includes('Endpoints ') ? refuses(call, body) : undefined);
    const both = mirrored({ endpoints: addresses(3) });
    await writer.apply(
      namespacePlan({
        slices: { ...NOTHING, create: [{ ...wishedSlice, endpoints: wish('x', 0, 1, 2).endpoints }] },
        endpoints: { ...NOTHING, create: [desiredEndpoints('billing', both)] },
      }),
    );
    expect(Object.values(addressesIn(views.endpointSlices.values()))).toEqual(['0,1,2']);
    expect([refusedOf(), refusedOf('Endpoints')]).toEqual([[], [1]]);
  });

  it('stays where it is when nothing has to go, and goes when something has', async () => {
    const one = refusing([observed('a', 1, 2)], 2);
    await expect(one.writer.apply(update(wish('a', 1, 2, 3), 1, 2))).rejects.toMatchObject({ status: 422 });
    expect(addressesIn(one.views.endpointSlices.values())).toEqual({ a: '1,2' });
    expect(one.refusedOf()).toEqual([]);
    const other = refusing([observed('a', 1, 2, 5)], 2);
    await other.writer.apply(update(wish('a', 1, 2, 3), 1, 2, 5));
    expect(addressesIn(other.views.endpointSlices.values())).toEqual({ a: '1,3' });
    expect(other.refusedOf()).toEqual([2]);
  });

  it('makes no slice when it is all that the slice would have', async () => {
    const { writer, api, views, refusedOf } = refusing([], 1, 2);
    await writer.apply(namespacePlan({ slices: { ...NOTHING, create: [wish('a', 1, 2)] } }));
    expect(api.calls).toEqual(['create EndpointSlice shop/a']);
    expect([...views.endpointSlices.values()]).toEqual([]);
    expect(refusedOf()).toEqual([1, 2]);
  });

  it('stays in the slice that it is in when that is another, is not forgotten, and is an error', async () => {
    const slices = [observed('from', 1, 2), observed('to', 4)] as const;
    const { writer, api, views, refusedOf } = refusing(slices);
    api.refuses = (call, body) => {
      return call.endsWith('/to') && JSON.stringify(body).includes('"10.20.0.1"') ? 422 : undefined;
    };
    const plan = namespacePlan({
      slices: {
        ...NOTHING,
        update: [
          { desired: wish('from', 2), observed: slices[0] },
          { desired: wish('to', 4, 1, 5), observed: slices[1] },
        ],
      },
    });
    await expect(writer.apply(plan)).rejects.toMatchObject({ status: 422 });
    expect(addressesIn(views.endpointSlices.values())).toEqual({ from: '2,1', to: '4,5' });
    expect(refusedOf()).toEqual([]);
  });

  it('is remembered no more when it is taken', async () => {
    const { writer, refused, refusedOf } = refusing([observed('a', 1)]);
    const told: string[] = [];
    refused.subscribe(({ consulService }) => told.push(consulService));
    refused.refuse('EndpointSlice', { namespace: 'shop', serviceName: 'billing', consulService: 'billing' }, [
      { place: { address: '10.20.0.3', port: 8080, protocol: 'TCP' }, why: 'no', isAsked: true },
    ]);
    await writer.apply(update(wish('a', 1, 3), 1));
    expect(refusedOf()).toEqual([]);
    expect(told).toEqual(['billing', 'billing']);
  });

  it('is not what is looked for where no endpoint is the reason, or the answer is none', async () => {
    const whole = stage([observed('a', 1)]);
    whole.api.refuses = () => 403;
    await expect(whole.writer.apply(update(wish('a', 1, 3), 1))).rejects.toMatchObject({ status: 403 });
    expect(whole.api.trials).toHaveLength(1);
    const other = stage([observed('a', 1)]);
    other.api.refuses = () => 500;
    await expect(other.writer.apply(update(wish('a', 1, 3), 1))).rejects.toMatchObject({ status: 500 });
    expect(other.api.trials).toEqual([]);
  });

  it('costs the write when it cannot be found out which it is', async () => {
    const { writer, api, refusedOf } = refusing([observed('a', 1)], 3);
    const refuses = api.refuses;
    api.refuses = (call, body) => (api.trials.length > 1 ? 500 : refuses(call, body));
    await expect(writer.apply(update(wish('a', 1, 3), 1))).rejects.toMatchObject({ status: 500 });
    expect(refusedOf()).toEqual([]);
  });
});

describe('an address that moves to a slice that is refused', () => {
  const [from, gone] = [observed('from', 1, 2), observed('gone', 3, 4)];
  const refusing = (...names: string[]) => {
    const whole = stage([from, gone]);
    whole.api.refuses = (call) => (names.some((name) => call.endsWith(`/${name}`)) ? 403 : undefined);
    return whole;
  };

  it('stays in the slice that it is in, and nothing else does', async () => {
    const { writer, views, api } = refusing('to');
    const plan = namespacePlan({
      slices: {
        create: [wish('to', 1, 3)],
        update: [{ desired: wish('from', 5), observed: from }],
        remove: [gone],
      },
    });
    await expect(writer.apply(plan)).rejects.toMatchObject({ status: 403 });
    expect(addressesIn(views.endpointSlices.values())).toEqual({ from: '5,1', gone: '3' });
    expect(api.calls).not.toContain('delete EndpointSlice shop/gone');
  });

  it('stays in a slice that has nothing else, which is left as it is', async () => {
    const { writer, api } = refusing('to');
    const plan = namespacePlan({ slices: { ...NOTHING, create: [wish('to', 3, 4)], remove: [gone] } });
    await expect(writer.apply(plan)).rejects.toMatchObject({ status: 403 });
    expect(api.calls).toEqual(['create EndpointSlice shop/to']);
  });

  it('keeps the name of its host', async () => {
    const hosts = strings({ [ANNOTATION.hosts]: JSON.stringify({ '10.20.0.1': 'vm-1' }) });
    const { writer, api } = refusing('to');
    const update = { desired: wish('from', 2), observed: { ...from, annotations: hosts } };
    const plan = namespacePlan({ slices: { ...NOTHING, create: [wish('to', 1)], update: [update] } });
    await expect(writer.apply(plan)).rejects.toMatchObject({ status: 403 });
    expect(api.bodies[1]).toMatchObject({
      metadata: { annotations: { [ANNOTATION.hosts]: JSON.stringify({ '10.20.0.1': 'vm-1' }) } },
    });
  });

  it('stays in its WorkloadEntry, and an address that nobody needs goes', async () => {
    const { writer, entries, api } = refusing('to');
    const [needed, dead] = [entry('needed', '10.20.0.7'), entry('dead', '10.20.0.8')];
    entries.find(needed, dead);
    const plan = namespacePlan({
      slices: { ...NOTHING, create: [wish('to', 7)] },
      workloadEntries: { ...NOTHING, remove: [needed, dead] },
    });
    await expect(writer.apply(plan)).rejects.toMatchObject({ status: 403 });
    expect(api.calls).toEqual(['create EndpointSlice shop/to', 'delete WorkloadEntry shop/dead']);
  });

  it('is written where it comes before it is taken where it goes', async () => {
    const { writer, api } = stage([from, gone]);
    const plan = namespacePlan({
      slices: {
        ...NOTHING,
        update: [
          { desired: wish('from', 1), observed: from },
          { desired: wish('gone', 2, 3, 4), observed: gone },
        ],
      },
    });
    await writer.apply(plan);
    expect(api.calls).toEqual(['patch EndpointSlice shop/gone', 'patch EndpointSlice shop/from']);
  });
});

describe("the slices of somebody else's Service", () => {
  it('are made, changed and removed, belong to that Service, and say what they were taken from', async () => {
    const old = observed('old', 1);
    const { writer, views, api } = stage([old]);
    const slices = { ...NOTHING, create: [wish('new', 1)], remove: [old] };
    await writer.applyImport({ namespace: 'shop', service: ours, slices });
    expect(api.calls).toEqual(['create EndpointSlice shop/new', 'delete EndpointSlice shop/old']);
    const made = views.endpointSlices.get('shop/new');
    expect([made?.ownerUid, made?.annotations.get(ANNOTATION.importedFrom)]).toEqual([ours.uid, 'Billing']);
    expect(made?.annotations.has(ANNOTATION.consulService)).toBe(false);
  });

  it('keep their addresses too when the slice that is to have them is refused', async () => {
    const old = observed('old', 1);
    const { writer, views, api } = stage([old]);
    api.refuses = (call) => (call.startsWith('create') ? 403 : undefined);
    const slices = { ...NOTHING, create: [wish('new', 1)], remove: [old] };
    await expect(writer.applyImport({ namespace: 'shop', service: ours, slices })).rejects.toMatchObject({
      status: 403,
    });
    expect(addressesIn(views.endpointSlices.values())).toEqual({ old: '1' });
  });
});
