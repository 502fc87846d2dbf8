import { describe, expectObject, stringField } from '../../json.ts';
import {
  encoded,
  int32,
  jsonMessage,
  list,
  message,
  only,
  sharedString,
  string,
  type Encoded,
  type Type,
} from './message.ts';
import { splitFrames, splitLines } from './split.ts';
import { WireReader } from './wire-reader.ts';

/** One event of a watch. */
export interface WatchEvent {
  readonly type: string;
  /** An object of the kind; of a BOOKMARK its metadata only; of an ERROR a Status. */
  readonly object: Encoded;
}

/** How the API server writes: JSON, which every kind has, or protobuf, which the built-in kinds have. */
export interface Format {
  /** What comes of each piece of a watch's body, in whatever pieces it arrives. */
  watch(kind: string): (piece: Buffer) => Iterable<WatchEvent>;
  /** A whole answer: a page of objects of a kind. */
  list(kind: string, body: Buffer): Encoded;
  /** A whole answer: one object. */
  object(kind: string, body: Buffer): Encoded;
}

const PROTOBUF = 'application/vnd.kubernetes.protobuf';

/** What to ask for, so that a server without protobuf answers in JSON at once. */
export const ACCEPT = {
  protobuf: `${PROTOBUF},application/json`,
  protobufWatch: `${PROTOBUF};stream=watch,application/json`,
  json: 'application/json',
};

/** The format that an answer says it has; what is not protobuf is taken for JSON. */
export function formatOf(contentType: string): Format {
  return contentType.startsWith(PROTOBUF) ? protobufFormat : jsonFormat;
}

/** metav1.Status: how the API server says no. */
export const STATUS = message({ message: [3, string], reason: [4, sharedString], code: [6, int32] });

/** Any list. */
export const LIST = message({
  metadata: [1, message({ resourceVersion: [2, string], continue: [3, string] })],
  items: [2, list(encoded)],
});

export const jsonFormat: Format = {
  watch(kind) {
    const split = splitLines();
    return function* (piece) {
      for (const line of split(piece)) {
        const event = expectObject(JSON.parse(line), `${kind} watch event`);
        const object = expectObject(event.object, `object of a ${kind} watch event`);
        yield { type: stringField(event, 'type'), object: jsonMessage(object) };
      }
    };
  },
  list(kind, body) {
    const page = expectObject(JSON.parse(body.toString('utf8')), `${kind} list`);
    if (!Array.isArray(page.items))
      throw new TypeError(`list ${kind}: expected items, found a ${stringField(page, 'kind') || 'page'} without`);
    return jsonMessage(page);
  },
  object: (kind, body) => jsonMessage(expectObject(JSON.parse(body.toString('utf8')), kind)),
};

const NOTHING = new WireReader(Buffer.alloc(0));
const raw: Type<WireReader> = { empty: NOTHING, json: () => NOTHING, protobuf: (wire) => wire.value() };
const WATCH_EVENT = message({ type: [1, sharedString], object: [2, only('raw', 1, raw)] });

export const protobufFormat: Format = {
  watch(kind) {
    const split = splitFrames();
    return function* (piece) {
      for (const frame of split(piece)) {
        const { type, object } = WATCH_EVENT.whole(new WireReader(frame));
        yield { type, object: open(type === 'ERROR' ? 'Status' : kind, object) };
      }
    };
  },
  list: (kind, body) => open(`${kind}List`, new WireReader(body)),
  object: (kind, body) => open(kind, new WireReader(body)),
};

/** What everything in protobuf is wrapped in: four bytes, then a runtime.Unknown. */
const MAGIC = Buffer.from('k8s\0', 'latin1');
const UNKNOWN = message({ typeMeta: [1, only('kind', 2, sharedString)], raw: [2, raw] });

/** The message in the envelope. Its kind is checked: the bytes of another would read as something, and mean nothing. */
function open(kind: string, envelope: WireReader): Encoded {
  if (!envelope.takePrefix(MAGIC))
    throw new TypeError(`read ${kind}: expected protobuf of Kubernetes, found something else`);
  const { typeMeta: found, raw } = UNKNOWN.whole(envelope);
  if (found !== kind) throw new TypeError(`read ${kind}: expected that kind, found ${describe(found)}`);
  return raw;
}
