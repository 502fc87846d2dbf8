import { describe, expect, it } from '@jest/globals';
import type { ServiceInstance } from '../../../../src/consul/types.ts';
import type { KubernetesObject } from '../../../../src/kubernetes/objects.ts';
import { createChangeReport } from '../../../../src/to-kubernetes/report/changes.ts';
import type { Written } from '../../../../src/to-kubernetes/write/writer.ts';
import { endpoint, instance, service, slice } from '../../builders.ts';

/** `action kind object of service at address: reason` */
function told(written: Written, instances: readonly ServiceInstance[] | undefined): string {
  let record = '';
  const report = createChangeReport({
    changes: {
      note: (_direction, _key, action, service, describe) => {
        const { kind, object, address, reason } = describe();
        record = `${action} ${String(kind)} ${String(object)} of ${service} at ${String(address)}: ${String(reason)}`;
      },
    },
    catalog: { instances: () => instances },
    nameOf: () => ['billing'],
  });
  report(written);
  return record;
}

const of = (object: KubernetesObject, rest: Partial<Written>): Written => ({
  ...{ action: 'updated', kind: 'EndpointSlice', object, differences: [] },
  ...rest,
});
const left = { field: 'endpoint 192.0.2.1', desired: '(none)', observed: 'ready' };
const came = { field: 'endpoint 192.0.2.2', desired: 'ready', observed: '(none)' };
const SLICE = slice({
  namespace: 'shop',
  name: 'billing-1',
  endpoints: [endpoint('192.0.2.2'), endpoint('192.0.2.3')],
});

describe('the record of what the API server took', () => {
  it('says which object came, and its addresses', () => {
    expect(told(of(SLICE, { action: 'created' }), [instance()])).toBe(
      'created EndpointSlice shop/billing-1 of billing at 192.0.2.2, 192.0.2.3: Consul has instances for it',
    );
  });

  it('says which addresses came and left, and why', () => {
    const critical = instance({ address: '192.0.2.1', status: 'critical' });
    const record = (instances: ServiceInstance[]) =>
      told(of(SLICE, { differences: [left, came] }), instances).replace(/^.*?: /, '');
    expect(record([])).toBe('192.0.2.1 left: Consul has no instance there any more; 192.0.2.2 came');
    expect(record([critical])).toBe('192.0.2.1 left: its instance is critical; 192.0.2.2 came');
  });

  it('says what else differed, and how much more', () => {
    const fields = Array.from({ length: 7 }, (_, i) => ({ field: `port ${i}`, desired: 'a', observed: 'b' }));
    expect(told(of(service(), { kind: 'Service', differences: fields }), [])).toMatch(/port 4: b -> a; and 2 more$/);
  });

  it.each([
    ['Consul has none any more', [], 'Consul has no instance of it any more'],
    ['it is read no more', undefined, 'it is to be mirrored no more'],
    ['Consul has some', [instance()], 'none of its instances is to be there any more, or another object has them'],
  ])('says why an object went: %s', (_, instances, reason) => {
    expect(told(of(service(), { kind: 'Service', action: 'deleted' }), instances)).toMatch(new RegExp(`: ${reason}$`));
  });
});
