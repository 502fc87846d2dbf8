import type { Clock } from '../clock.ts';
import { escapeControls } from '../json.ts';
import type { Answer } from '../observability/http.ts';
import { fileText } from './file-text.ts';
import { FILE_TYPES, type FileName } from './files.ts';
import type { Listing } from './listing.ts';
import { PagedList, readPageRequest } from './paging.ts';

/** The lists of the page, by the last part of their path. */
export type Listings = Readonly<Record<string, Listing<unknown>>>;

/** Nothing of another origin, nothing inline, no form that sends anything, in no frame. */
const POLICY = [
  "default-src 'none'",
  ...["script-src 'self'", "style-src 'self'", "img-src 'self'", "connect-src 'self'"],
  ...["base-uri 'none'", "form-action 'none'", "frame-ancestors 'none'"],
].join('; ');

/** Beside those of every answer. */
const HEADERS = { 'content-security-policy': POLICY, 'x-frame-options': 'DENY', 'referrer-policy': 'no-referrer' };

/** A list that is not there, which is not an empty one. */
export interface Absent {
  /** 503: it comes, or another process has it; 404: it does not. */
  readonly status: 503 | 404;
  readonly error: string;
  /** The identity of the process that leads; null where nobody is known. */
  readonly leader: string | null;
}

/**
 * Answers what the page needs: itself at `/`, its files below `/page/`, and the lists that it shows below `/status/`, as JSON
 * (`query`, `offset`, `limit`). The page's own files are the same for everybody: what others wrote is in the JSON alone.
 * @param absenceOf why there is no list of that name now; undefined where there is one
 * @returns undefined for any other path
 */
export function createPage(
  listings: Listings,
  absenceOf: (list: string) => Absent | undefined,
  clock: Pick<Clock, 'now'>,
): (url: string) => Promise<Answer | undefined> {
  const lists = new Map(Object.entries(listings).map(([name, listing]) => [name, new PagedList(listing, clock)]));
  return async (url) => {
    const { path, parameters } = split(url);
    if (path === '/') return file('index.html');
    const [, room, name = '', ...more] = path.split('/');
    if (more.length > 0) return undefined;
    if (room === 'page' && Object.hasOwn(FILE_TYPES, name)) return file(name as FileName);
    const list = room === 'status' ? lists.get(name) : undefined;
    if (!list) return undefined;
    const absent = absenceOf(name);
    return absent ? json(absent.status, { error: absent.error, leader: absent.leader }) : answerOf(list, parameters);
  };
}

function split(url: string): { readonly path: string; readonly parameters: URLSearchParams } {
  const [path = ''] = url.split('?', 1);
  return { path, parameters: new URLSearchParams(url.slice(path.length)) };
}

function file(name: FileName): Answer {
  return { status: 200, body: fileText(name), type: FILE_TYPES[name], headers: HEADERS };
}

async function answerOf(list: PagedList<unknown>, parameters: URLSearchParams): Promise<Answer> {
  try {
    const page = await list.page(readPageRequest(parameters));
    return json(200, page);
  } catch (error) {
    if (error instanceof RangeError) return json(400, { error: error.message });
    throw error;
  }
}

function json(status: number, value: unknown): Answer {
  return { status, body: `${escapeControls(JSON.stringify(value))}\n`, type: 'application/json', headers: HEADERS };
}
