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

  it('that cannot be honoured keep what is there of a Ready pod, and no other container from its registration', () => {
    const broken = container({ name: 'broken', env: [{ name: 'SERVICE_NAME', value: '', fieldPath: '' }] });
    const given = { pod: pod({ containers: [broken, sidecar] }), services: [], zone: '', nodeAddress: '192.168.1.11' };
    const result = desiredRegistrations(owner, toConsulConfig({ registrator: true }), given);
    expect([...result.registrations.values()].map(({ service }) => service)).toEqual(['metrics']);
    expect(result.rejections).toMatchObject([{ reason: 'InvalidVariable' }]);
    expect(result.held).toEqual(new Set(['']));
  });

  it('are overlaid with what the annotations of the pod say without a name', () => {
    const own = annotations({ 'service-tags': 'blue', 'service-meta-region': 'eu', 'not-ready': 'critical' });
    const env = environment('NAME=web; TAGS=green; REGION=us; STAGE=test');
    const given = {
      pod: pod({ containers: [container({ env })], annotations: own, ready: condition({ status: 'False' }) }),
      ...{ services: [], zone: '', nodeAddress: '192.168.1.11' },
    };
    const result = desiredRegistrations(owner, toConsulConfig({ registrator: true }), given);
    const [web] = result.registrations.values();
    expect(web).toMatchObject({ service: 'web', tags: ['blue'], check: { status: 'critical' } });
    expect([web?.meta.get('region'), web?.meta.get('stage')]).toEqual(['eu', 'test']);
  });
});
