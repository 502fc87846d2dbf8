import { request, type Dispatcher } from 'undici';
import { until } from '../../../rig/until.ts';

/** How the real API server is asked: with which formats, as whom. */
export interface Asking {
  readonly server: string;
  readonly token: string;
  readonly dispatcher: Dispatcher;
}

export type Encoding = keyof typeof ACCEPT;

/** As Consular asks. */
const ACCEPT = {
  protobuf: 'application/vnd.kubernetes.protobuf;stream=watch,application/json',
  json: 'application/json',
};
const ACCEPT_PAGE = { protobuf: 'application/vnd.kubernetes.protobuf,application/json', json: 'application/json' };

/** An answer as it came. */
export async function readPage(asking: Asking, path: string, encoding: Encoding): Promise<Buffer> {
  return Buffer.from(await (await ask(asking, path, ACCEPT_PAGE[encoding])).body.arrayBuffer());
}

/** The events of a watch as they came, while they come. */
export interface Capture {
  events(): Buffer[];
  /** The first event for which that holds. */
  event(what: string, isIt: (event: Buffer) => boolean): Promise<Buffer>;
}

/** @param query of the watch, beside `watch` itself */
export async function capture(
  asking: Asking,
  path: string,
  query: Readonly<Record<string, string>>,
  encoding: Encoding,
): Promise<Capture> {
  const search = new URLSearchParams({ watch: '1', ...query }).toString();
  const { body } = await ask(asking, `${path}?${search}`, ACCEPT[encoding]);
  const pieces: Buffer[] = [];
  body.on('data', (piece: Buffer) => pieces.push(piece));
  body.on('error', () => undefined); // then the event that is waited for does not come, which says what is missing
  const split = encoding === 'protobuf' ? frames : lines;
  const events = () => split(Buffer.concat(pieces));
  return {
    events,
    event: (what, isIt) => until(`${what} in a watch of ${path}`, () => Promise.resolve(events().find(isIt))),
  };
}

async function ask({ server, token, dispatcher }: Asking, path: string, accept: string) {
  const headers = { authorization: `Bearer ${token}`, accept };
  const response = await request(`${server}${path}`, { dispatcher, headers });
  if (response.statusCode !== 200)
    throw new Error(`record ${path}: expected 200, found ${response.statusCode} ${await response.body.text()}`);
  return response;
}

/** Complete ones only, with what they begin and end with. */
function frames(bytes: Buffer): Buffer[] {
  const found: Buffer[] = [];
  for (let at = 0; at + 4 <= bytes.length;) {
    const end = at + 4 + bytes.readUInt32BE(at);
    if (end > bytes.length) break;
    found.push(bytes.subarray(at, end));
    at = end;
  }
  return found;
}

function lines(bytes: Buffer): Buffer[] {
  const found: Buffer[] = [];
  let at = 0;
  for (let end = bytes.indexOf(10); end >= 0; end = bytes.indexOf(10, at)) {
    found.push(bytes.subarray(at, end + 1));
    at = end + 1;
  }
  return found;
}
