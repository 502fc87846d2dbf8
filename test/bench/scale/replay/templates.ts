import type { Encodings, Recording, ReplayedKind } from '../recording.ts';
import { templateOf, type Template } from './template.ts';

export interface EncodedTemplate {
  readonly protobuf: Template;
  readonly json: Template;
}

export interface SliceTemplate {
  readonly added: Template;
  readonly modified: Template;
  readonly readyAt: readonly (readonly number[])[];
}

export interface Templates {
  readonly pod: Readonly<Record<'added' | 'ready' | 'notReady', EncodedTemplate>>;
  readonly nodes: Template;
  readonly services: Template;
  /** By how many pods they have. */
  readonly slices: ReadonlyMap<number, SliceTemplate>;
  readonly podPage: Template;
  readonly podInPage: Template;
  readonly kinds: Readonly<
    Record<ReplayedKind, { readonly page: Template; readonly listEnd: Template; readonly bookmark: EncodedTemplate }>
  >;
}

/** What was recorded, ready to be written over. */
export function templatesOf({ kinds, pod, node, service, slices, podPage, podInPage }: Recording): Templates {
  const kind = (name: ReplayedKind) => {
    const { page, listEnd, bookmark } = kinds[name];
    return { page: templateOf(page), listEnd: templateOf(listEnd), bookmark: encoded(bookmark) };
  };
  return {
    pod: { added: encoded(pod.added), ready: encoded(pod.ready), notReady: encoded(pod.notReady) },
    nodes: templateOf(node.added),
    services: templateOf(service.added),
    slices: new Map(
      slices.map(({ pods, added, modified, readyAt }) => [
        pods,
        { added: templateOf(added), modified: templateOf(modified), readyAt },
      ]),
    ),
    podPage: templateOf(podPage),
    podInPage: templateOf(podInPage),
    kinds: { pods: kind('pods'), nodes: kind('nodes'), services: kind('services'), slices: kind('slices') },
  };
}

function encoded({ protobuf, json }: Encodings): EncodedTemplate {
  return { protobuf: templateOf(protobuf), json: templateOf(json) };
}
