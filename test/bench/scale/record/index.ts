import { readFile } from 'node:fs/promises';
import { Agent } from 'undici';
import type { KubernetesPlane } from '../../../control-plane/index.ts';
import { KubernetesApi } from '../../../rig/kubernetes.ts';
import { say } from '../../subjects.ts';
import { NAMESPACE } from '../names.ts';
import { REPLAYED, type Encodings, type RecordedKind, type Recording, type ReplayedKind } from '../recording.ts';
import { capture, readPage, type Asking, type Capture } from './capture.ts';
import { recordPages } from './pages.ts';
import { createSamples, type Sample } from './samples.ts';
import { recordSlice } from './slices.ts';
import { recordFrame, recordLine, recordProtobufPage } from './versions.ts';

/** Long enough for everything that is recorded; shortly before its end comes the bookmark that else comes each minute. */
const WATCH_SECONDS = 10;
/** As Consular begins a watch. */
const QUERY = {
  ...{ allowWatchBookmarks: 'true', timeoutSeconds: String(WATCH_SECONDS) },
  ...{ sendInitialEvents: 'true', resourceVersionMatch: 'NotOlderThan' },
};
const KINDS = Object.keys(REPLAYED) as ReplayedKind[];
const LIST_END = 'k8s.io/initial-events-end';

type Watches = Readonly<Record<ReplayedKind, Capture>>;

/** Makes a few objects in the real cluster, and takes down what the real API server says of them, byte by byte. */
export async function record(plane: KubernetesPlane): Promise<Recording> {
  say('recording what the API server says ...');
  const kubernetes = new KubernetesApi(plane.server, plane.caFile, plane.adminToken);
  const dispatcher = new Agent({ connect: { ca: await readFile(plane.caFile, 'utf8') } });
  const asking: Asking = { server: plane.server, token: plane.adminToken, dispatcher };
  try {
    const samples = await createSamples(kubernetes);
    const protobuf = Object.fromEntries(
      await Promise.all(KINDS.map(async (kind) => [kind, await capture(asking, REPLAYED[kind], QUERY, 'protobuf')])),
    ) as Watches;
    const json = await capture(asking, REPLAYED.pods, QUERY, 'json');
    await Promise.all([...Object.values(protobuf), json].map((watch) => watch.event('the end of the list', isListEnd)));
    for (const ready of [false, true]) {
      for (const { pods } of samples) await kubernetes.setReady(NAMESPACE, pods[0]?.name ?? '', ready);
      for (const { service } of samples) await untilTold(protobuf.slices, service, ready ? 2 : 1);
    }
    return await toRecording(asking, samples, protobuf, json);
  } finally {
    await dispatcher.destroy();
    await kubernetes.close();
  }
}

async function toRecording(
  asking: Asking,
  samples: readonly Sample[],
  watches: Watches,
  json: Capture,
): Promise<Recording> {
  const [single] = samples;
  const pod = single?.pods[0];
  if (!single || !pod) throw new Error('record: expected a sample of a service with one pod, found none');
  const texts = [pod.name, pod.uid, pod.ip, pod.node, pod.nodeIP, single.service];
  const podEvents = (protobufEvents: Buffer[], jsonEvents: Buffer[], at: number): Encodings => ({
    protobuf: recordFrame(nth(protobufEvents, at, 'event of a pod'), texts),
    json: recordLine(nth(jsonEvents, at, 'event of a pod'), texts),
  });
  const of = (watch: Capture, name: string) => watch.events().filter((event) => event.includes(name));
  const events = (at: number) => podEvents(of(watches.pods, pod.name), of(json, pod.name), at);
  const nodeUid = await uidOf(asking, `${REPLAYED.nodes}/${pod.node}`);
  const nodeEvent = nth(of(watches.nodes, pod.node), 0, 'event of a node');
  const serviceEvent = nth(of(watches.services, single.service), 0, 'event of a service');
  const pages = await recordPages(asking, samples);
  return {
    kinds: Object.fromEntries(
      await Promise.all(KINDS.map(async (kind) => [kind, await recordKind(asking, kind, watches[kind], json)])),
    ) as Record<ReplayedKind, RecordedKind>,
    pod: { added: events(0), notReady: events(1), ready: events(2) },
    node: { added: recordFrame(nodeEvent, [pod.node, nodeUid, pod.nodeIP]) },
    service: { added: recordFrame(serviceEvent, [single.service, single.serviceUid, single.serviceIP]) },
    slices: samples.map((sample) => recordSlice(sample, of(watches.slices, sample.service))),
    ...pages,
  };
}

async function recordKind(asking: Asking, kind: ReplayedKind, watch: Capture, json: Capture): Promise<RecordedKind> {
  const isBookmark = (event: Buffer) => event.includes('BOOKMARK') && !isListEnd(event);
  return {
    page: recordProtobufPage(await readPage(asking, `${REPLAYED[kind]}?limit=1`, 'protobuf')),
    listEnd: recordFrame(await watch.event('the end of the list', isListEnd)),
    bookmark: {
      protobuf: recordFrame(await watch.event('a bookmark', isBookmark)),
      json: recordLine(await json.event('a bookmark', isBookmark)),
    },
  };
}

async function untilTold(slices: Capture, service: string, changes: number): Promise<void> {
  const isModified = (event: Buffer) => event.includes('MODIFIED') && event.includes(service);
  await slices.event(`change ${changes} of ${service}`, () => slices.events().filter(isModified).length >= changes);
}

async function uidOf(asking: Asking, path: string): Promise<string> {
  const { metadata } = JSON.parse((await readPage(asking, path, 'json')).toString()) as { metadata: { uid: string } };
  return metadata.uid;
}

function isListEnd(event: Buffer): boolean {
  return event.includes(LIST_END);
}

function nth(events: readonly Buffer[], at: number, what: string): Buffer {
  const event = events[at];
  if (!event) throw new Error(`record ${what}: expected at least ${at + 1}, found ${events.length}`);
  return event;
}
