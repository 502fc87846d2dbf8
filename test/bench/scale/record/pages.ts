import { REPLAYED, type Recording } from '../recording.ts';
import { readPage, type Asking } from './capture.ts';
import type { Sample } from './samples.ts';
import { CONTINUE, recorded, VERSION } from './versions.ts';

interface Page {
  metadata: { resourceVersion: string; continue?: string; remainingItemCount?: number };
  items: { metadata: { name: string; resourceVersion: string } }[];
}

/** What stands in the recorded page where the pods go. */
export const ITEMS = '"items":[]';

/** The list of pods in JSON, in pages, as a client that knows neither streams nor protobuf reads it. */
export async function recordPages(
  asking: Asking,
  samples: readonly Sample[],
): Promise<Pick<Recording, 'podPage' | 'podInPage'>> {
  const page = JSON.parse((await readPage(asking, `${REPLAYED.pods}?limit=1`, 'json')).toString('utf8')) as Page;
  const [item] = page.items;
  const sample = samples.find(({ pods }) => pods.some(({ name }) => name === item?.metadata.name));
  const pod = sample?.pods.find(({ name }) => name === item?.metadata.name);
  if (!item || !sample || !pod || page.metadata.continue === undefined)
    throw new Error(
      `record a page of pods: expected one that was made for it and more to come, found ${JSON.stringify(page)}`,
    );
  item.metadata.resourceVersion = VERSION;
  page.metadata.resourceVersion = VERSION;
  page.metadata.continue = CONTINUE;
  // How many are left is no text of one length; clients that page do not need it.
  delete page.metadata.remainingItemCount;
  const { name, uid, ip, node, nodeIP } = pod;
  return {
    podPage: recorded(Buffer.from(JSON.stringify({ ...page, items: [] })), [VERSION, CONTINUE]),
    podInPage: recorded(Buffer.from(JSON.stringify(item)), [VERSION, name, uid, ip, node, nodeIP, sample.service]),
  };
}
