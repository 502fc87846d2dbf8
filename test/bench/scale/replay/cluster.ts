import { layOut, nodeOf, serviceOf, type Layout } from '../layout.ts';
import * as names from '../names.ts';
import type { Recording, ReplayedKind } from '../recording.ts';
import { templatesOf, type SliceTemplate, type Templates } from './templates.ts';

export type Encoding = 'protobuf' | 'json';

/** What happened to an object, as a watch tells it. */
export interface Change {
  readonly kind: ReplayedKind;
  readonly version: number;
  readonly protobuf: Buffer;
  /** Of a pod; nobody follows the other kinds in JSON. */
  readonly json?: Buffer;
}

/** The replayed cluster: of each object only what can change is kept, everything else comes from its number. */
export class Cluster {
  readonly layout: Layout;
  readonly templates: Templates;
  readonly #isNotReady: Uint8Array;
  readonly #versions: Readonly<Record<ReplayedKind, Uint32Array>>;
  #version = names.FIRST_VERSION;

  constructor(recording: Recording, pods: number) {
    this.layout = layOut(pods);
    this.templates = templatesOf(recording);
    this.#isNotReady = new Uint8Array(pods);
    const { nodes, services } = this.layout;
    const versions = (count: number) => new Uint32Array(count).map(() => ++this.#version);
    this.#versions = {
      nodes: versions(nodes),
      services: versions(services.length),
      pods: versions(pods),
      slices: versions(services.length),
    };
  }

  get version(): number {
    return this.#version;
  }

  count(kind: ReplayedKind): number {
    return this.#versions[kind].length;
  }

  /** As a watch tells of an object when it begins. */
  added(kind: ReplayedKind, index: number): Buffer {
    const version = String(this.#versions[kind][index]);
    if (kind === 'pods') return this.#podEvent(index, 'added', 'protobuf');
    if (kind === 'slices') {
      const { added, modified } = this.#sliceTemplate(index);
      // The event that a pod is not ready has the bytes for it; what was recorded first was ready.
      return this.#isAnyNotReady(index) ? this.#slice(index, modified) : added.render(this.#sliceTexts(index, version));
    }
    const texts =
      kind === 'nodes'
        ? [names.nodeName(index), names.nodeUid(index), names.nodeIP(index)]
        : [names.serviceName(index), names.serviceUid(index), names.serviceIP(index)];
    return this.templates[kind].render([version, ...texts]);
  }

  /** As a page of pods has it. */
  podInPage(index: number): Buffer {
    return this.templates.podInPage.render(this.#podTexts(index));
  }

  /** As a read of the pod alone answers; undefined when there is none of that name. */
  pod(name: string): Buffer | undefined {
    const index = Number(/^pod-(\d{6})$/.exec(name)?.[1] ?? NaN);
    if (!(index < this.layout.pods)) return undefined;
    const event = this.#podEvent(index, 'added', 'json');
    return event.subarray(event.indexOf('"object":') + '"object":'.length, event.lastIndexOf('}'));
  }

  /** The pod becomes ready, or not; its slice says so a moment later, as its controller would. */
  flip(index: number): Change[] {
    this.#isNotReady[index] = this.#isNotReady[index] ? 0 : 1;
    this.#versions.pods[index] = ++this.#version;
    const pod: Change = {
      ...{ kind: 'pods', version: this.#version },
      ...{ protobuf: this.#podEvent(index, 'ready', 'protobuf'), json: this.#podEvent(index, 'ready', 'json') },
    };
    const service = serviceOf(this.layout, index);
    this.#versions.slices[service] = ++this.#version;
    const slice = this.#slice(service, this.#sliceTemplate(service).modified);
    return [pod, { kind: 'slices', version: this.#version, protobuf: slice }];
  }

  /** Every pod is another one than a client knows, in its version at least. */
  changeAllPods(): void {
    for (let i = 0; i < this.layout.pods; i++) this.#versions.pods[i] = ++this.#version;
  }

  #podEvent(index: number, ifReady: 'added' | 'ready', encoding: Encoding): Buffer {
    const template = this.templates.pod[this.#isNotReady[index] ? 'notReady' : ifReady];
    return template[encoding].render(this.#podTexts(index));
  }

  #podTexts(index: number): string[] {
    const node = nodeOf(this.layout, index);
    return [
      ...[String(this.#versions.pods[index]), names.podName(index), names.podUid(index), names.podIP(index)],
      ...[names.nodeName(node), names.nodeIP(node), names.serviceName(serviceOf(this.layout, index))],
    ];
  }

  #sliceTemplate(service: number): SliceTemplate {
    const pods = this.layout.services[service]?.pods ?? 0;
    const template = this.templates.slices.get(pods);
    if (!template) throw new Error(`render a slice: expected a recorded one with ${pods} pods, found none`);
    return template;
  }

  #slice(service: number, template: SliceTemplate['modified']): Buffer {
    const bytes = template.render(this.#sliceTexts(service, String(this.#versions.slices[service])));
    const firstPod = this.layout.services[service]?.firstPod ?? 0;
    for (const [i, places] of this.#sliceTemplate(service).readyAt.entries())
      for (const at of places) bytes[at] = this.#isNotReady[firstPod + i] ? 0 : 1;
    return bytes;
  }

  #isAnyNotReady(service: number): boolean {
    const { firstPod = 0, pods = 0 } = this.layout.services[service] ?? {};
    return this.#isNotReady.subarray(firstPod, firstPod + pods).includes(1);
  }

  #sliceTexts(service: number, version: string): string[] {
    const { firstPod = 0, pods = 0 } = this.layout.services[service] ?? {};
    const texts = [version, names.serviceName(service), names.serviceUid(service), names.sliceUid(service)];
    for (let pod = firstPod; pod < firstPod + pods; pod++)
      texts.push(names.podName(pod), names.podUid(pod), names.podIP(pod), names.nodeName(nodeOf(this.layout, pod)));
    return texts;
  }
}
