import { replace } from '../replay/protobuf.ts';
import type { Recorded } from '../replay/template.ts';

/** What stands in a recording where the version goes: as long as the versions of the replayed cluster, and no number in it. */
export const VERSION = '8888888888';
/** The same for the token of the next page. */
export const CONTINUE = 'ccccccccc';

/** metadata.resourceVersion of the object of an event: WatchEvent.object.raw, runtime.Unknown.raw, metadata. */
const IN_EVENT = [2, 1, 2, 1, 6];
/** The same of a list. */
const IN_LIST = [2, 1, 2];
const HEADER = 4;

/** @param frame with its length before it, which changes with that of the version */
export function recordFrame(frame: Buffer, texts: readonly string[] = []): Recorded {
  const event = replace(frame.subarray(HEADER), IN_EVENT, Buffer.from(VERSION));
  const header = Buffer.alloc(HEADER);
  header.writeUInt32BE(event.length);
  return recorded(Buffer.concat([header, event]), [VERSION, ...texts]);
}

export function recordLine(line: Buffer, texts: readonly string[] = []): Recorded {
  const text = line.toString('utf8').replace(/"resourceVersion":"\d*"/, `"resourceVersion":"${VERSION}"`);
  return recorded(Buffer.from(text), [VERSION, ...texts]);
}

export function recordProtobufPage(page: Buffer): Recorded {
  return recorded(replace(page, IN_LIST, Buffer.from(VERSION)), [VERSION]);
}

export function recorded(bytes: Buffer, texts: readonly string[]): Recorded {
  return { bytes: bytes.toString('base64'), texts };
}
