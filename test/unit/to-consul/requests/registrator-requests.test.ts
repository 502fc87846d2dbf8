import { describe, expect, it } from '@jest/globals';
import type { Pod } from '../../../../src/kubernetes/objects.ts';
import { desiredRegistrations } from '../../../../src/to-consul/desired/desired-registrations.ts';
import { annotations, condition, container, owner, pod, service, slice, toConsulConfig } from '../../builders.ts';
import { environment } from './registrator-pods.ts';

/** What becomes of registrator's variables beside annotations. */

function desired(overrides: Partial<Pod>, services: Parameters<typeof desiredRegistrations>[2]['services'] = []) {
  const given = { pod: pod(overrides), services, zone: '', nodeAddress: '192.168.1.11' };
  const { registrations, warnings } = desiredRegistrations(owner, toConsulConfig({ registrator: true }), given);
  const because = [...registrations.values()].map(
    ({ service, check }) => `${service} ${check.notes.replace(/^.*because of /, '')}`,
  );
  return { because: because.sort(), warnings };
}

const web = container({ name: 'web', env: environment('NAME=web; ID=me; CHECK_HTTP=/health') });
const sidecar = container({
  name: 'sidecar',
  ports: [{ name: 'metrics', port: 9090, protocol: 'TCP' }],
  env: environment('NAME=metrics'),
});

describe("registrator's variables", () => {
  it('are named in the Notes of the check, with their container, and that CHECK_* are not used', () => {
    expect(desired({ containers: [web, sidecar] }).because).toEqual([
      "metrics registrator's variables of container sidecar",
      "web registrator's variables of container web; registrator's CHECK_* are not used",
    ]);
  });

  it('are not named where annotations have asked', () => {
    const own = desired({ containers: [web], annotations: annotations({ 'service-name': 'orders' }) });
    expect(own).toEqual({ because: ['orders annotations of the pod'], warnings: [] });
    const asking = { service: service({ annotations: annotations({ 'service-name': 'web' }) }), slices: [slice()] };
    expect(desired({ containers: [sidecar] }, [asking]).because).toEqual([
      "metrics registrator's variables of container sidecar",
      'web annotations of Service shop/orders',
    ]);
  });

  it('warn of what has no effect, as long as they count', () => {
    const warning = 'container "web": "SERVICE_ID" has no effect: the ID of an instance says which pod it is';
    expect(desired({ containers: [web] }).warnings).toEqual([warning]);
    expect(desired({ containers: [web], ready: condition({ status: 'False' }) }).warnings).toEqual([warning]);
    expect(desired({ containers: [web], annotations: annotations({ 'service-sync': 'false' }) }).warnings).toEqual([]);
    expect(desired({ containers: [web], phase: 'Succeeded' }).warnings).toEqual([]);
  });
});
