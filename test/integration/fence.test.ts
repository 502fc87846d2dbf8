import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { startConsul, type ConsulServer } from '../control-plane/index.ts';
import { parseConfig } from '../../src/config/load.ts';
import type { ConsulClient } from '../../src/consul/client.ts';
import { createConsulClient } from '../../src/consul/create-client.ts';
import { createKeyValue, type KeyValue } from '../../src/consul/key-value.ts';
import { TransactionConflict } from '../../src/consul/errors.ts';
import { createLog } from '../../src/observability/log.ts';
import { nextPodIP, openRig, QUICK_ENTRY, statusOf, until, untilEqual, untilIdle, type Rig } from '../rig/index.ts';
import { signOf } from '../rig/time-travel.ts';

const named = (name: string) => ({ 'consular.dev/service-name': name });

describe('a key of a real Consul', () => {
  let server: ConsulServer;
  let client: ConsulClient;
  let keyValue: KeyValue;

  beforeAll(async () => {
    server = await startConsul();
    const { consul } = parseConfig(`{cluster: dev, consul: {address: "${server.address}"}}`, {});
    client = createConsulClient(consul, 'test', createLog({ level: 'error', format: 'text' }));
    keyValue = createKeyValue(client);
  }, 60_000);
  afterAll(async () => {
    await client.close();
    await server.stop();
  }, 30_000);

  it('is read as it was written, and is written only over the index that is known', async () => {
    expect(await keyValue.read('consular/dev/leader')).toBeUndefined();
    const first = await keyValue.swap('consular/dev/leader', '{"a": "ü"}', 0);
    expect(await keyValue.read('consular/dev/leader')).toEqual({ value: '{"a": "ü"}', index: first });
    await expect(keyValue.swap('consular/dev/leader', 'b', 0)).rejects.toThrow(TransactionConflict);
    await expect(keyValue.swap('consular/dev/leader', 'b', first - 1)).rejects.toThrow(TransactionConflict);
    const second = await keyValue.swap('consular/dev/leader', 'b', first);
    expect(second).toBeGreaterThan(first);
  });

  it('is kept apart from others, whatever is in its name', async () => {
    await keyValue.swap('a b/ü?c', 'odd', 0);
    expect(await keyValue.read('a b/ü?c')).toMatchObject({ value: 'odd' });
    expect(await keyValue.read('a b')).toBeUndefined();
  });
});

describe('the fence', () => {
  let rig: Rig;

  beforeAll(async () => {
    rig = await openRig();
  }, 60_000);
  afterAll(() => rig.close(), 30_000);

  const fenceKey = () => `/kv/consular/${rig.cluster}/leader`;
  const record = async () => {
    const [entry] = (await rig.consul.must('GET', fenceKey())) as { Value: string }[];
    return JSON.parse(Buffer.from(entry?.Value ?? '', 'base64').toString()) as { epoch: number; clusterUid: string };
  };

  it('is held by the daemon that started last: the one before writes nothing, is not ready, and says why', async () => {
    const first = await rig.startDaemon();
    expect((await statusOf(first)).consul.unfenced).toBeNull();
    const { epoch } = await record();
    const second = await rig.startDaemon();
    expect(await record()).toMatchObject({ epoch: epoch + 1, clusterUid: (await record()).clusterUid });
    const ip = nextPodIP();
    await rig.kubernetes.createPod(rig.namespace, 'both', { ip, annotations: named('both') });
    await untilEqual('the pod', () => rig.consul.summary('both'), [`${ip}:8080 passing`]);
    await rig.kubernetes.createPod(rig.namespace, 'more', { annotations: named('more') });
    await until('the other pod', async () => (await rig.consul.summary('more')).length === 1);
    await until('a first daemon that says so', async () => {
      const response = await fetch(`http://127.0.0.1:${first.port}/readyz`);
      return (
        response.status === 503 && (await response.text()).includes(`expected to hold key consular/${rig.cluster}`)
      );
    });
    await untilIdle(second);
    await first.stop();
    await second.stop();
  });

  it('that is lost is a sign that time went back in Consul, and is written anew with what waits', async () => {
    const daemon = await rig.startDaemon({ timings: { entryPace: QUICK_ENTRY } });
    const { epoch } = await record();
    await untilIdle(daemon);
    await rig.consul.must('DELETE', fenceKey());
    const ip = nextPodIP();
    await rig.kubernetes.createPod(rig.namespace, 'after', { ip, annotations: named('after') });
    await untilEqual('the pod', () => rig.consul.summary('after'), [`${ip}:8080 passing`]);
    expect(await signOf(daemon)).toBe('fence-lost');
    expect((await record()).epoch).toBe(epoch + 1);
    await daemon.stop();
  });
});
