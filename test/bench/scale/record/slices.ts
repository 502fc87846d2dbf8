import type { RecordedSlice } from '../recording.ts';
import { find } from '../replay/protobuf.ts';
import type { Sample } from './samples.ts';
import { recordFrame } from './versions.ts';

/** EndpointSlice.endpoints of the object of an event, after the length of the frame. */
const ENDPOINTS = [2, 1, 2, 2];
/** EndpointConditions `ready` and `serving` of an endpoint. */
const READY = [
  [2, 1],
  [2, 2],
];

/** @param events of a watch about the slice: it is there, a pod is not ready, it is ready again */
export function recordSlice(sample: Sample, events: readonly Buffer[]): RecordedSlice {
  const { service, serviceUid, sliceUid, pods } = sample;
  const texts = [service, serviceUid, sliceUid, ...pods.flatMap(({ name, uid, ip, node }) => [name, uid, ip, node])];
  const [added, , modified] = events;
  if (!added || !modified) throw new Error(`record the slice of ${service}: expected 3 events, found ${events.length}`);
  const change = recordFrame(modified, texts);
  const bytes = Buffer.from(change.bytes, 'base64');
  const event = bytes.subarray(4);
  const endpoints = find(event, ENDPOINTS);
  const readyAt = pods.map(({ ip }) => {
    const endpoint = endpoints.find(({ start, end }) => event.subarray(start, end).includes(ip));
    const flags = endpoint ? READY.flatMap((path) => find(event, path, endpoint)) : [];
    if (flags.length !== READY.length || flags.some(({ start }) => event[start] !== 1))
      throw new Error(`record the slice of ${service}: expected ${ip} in it, ready and serving, found another state`);
    return flags.map(({ start }) => start + 4);
  });
  return { pods: pods.length, added: recordFrame(added, texts), modified: change, readyAt };
}
