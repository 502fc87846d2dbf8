import type { Registration } from '../registration/registration.ts';

/** What a registration says about its pod, and by which it differs from that of another pod of the same workload. */
export interface Facts {
  /** `namespace/name`. */
  readonly podKey: string;
  readonly podUid: string;
  /** Name of the Kubernetes node. */
  readonly node: string;
  /** The time that the output of the check names, as `timeIn` finds it; empty where it names none. */
  readonly time: string;
}

/** A place in a text that says something about the pod. */
type Blank = (typeof BLANKS)[number];
const BLANKS = ['podKey', 'podInId', 'podUid', 'node', 'name', 'time'] as const;
/** A text; a blank, as its index in BLANKS; or the texts and blanks that a text is put together of. */
type Pieces = string | number | readonly (string | number)[];

/**
 * What registrations of the same workload have in common, with blanks for what each says about its pod. A form and the facts
 * of the pod give back the registration's texts letter by letter: nothing that is decided, compared or written needs more.
 */
export interface Form extends Pick<Registration, 'service' | 'port' | 'weight' | 'tags'> {
  /** Without a blank for the time: it is asked for all the time, and the time would have to be spelled out for it. */
  readonly id: Pieces;
  readonly metaKeys: readonly string[];
  /** In the order of the keys. */
  readonly metaValues: readonly Pieces[];
  readonly notes: Pieces;
  readonly output: Pieces;
}

type Texts = Pick<Registration, 'id' | 'service' | 'port' | 'weight' | 'tags' | 'meta' | 'check'>;

/** @param like another form: what is the same in both is kept once */
export function formOf(texts: Texts, facts: Facts, like: Form = NOTHING): Form {
  const { id, service, port, weight, tags, meta, check } = texts;
  const keys = [...meta.keys()];
  const values = [...meta.values()].map((value, i) => {
    const alike = like.metaValues[i];
    return alike !== undefined && says(alike, value, facts) ? alike : wholeOf(value, facts);
  });
  return {
    id: says(like.id, id, facts) ? like.id : piecesOf(id, { ...facts, time: '' }),
    service: like.service === service ? like.service : service,
    port,
    weight,
    tags: isSameList(like.tags, tags) ? like.tags : tags,
    metaKeys: isSameList(like.metaKeys, keys) ? like.metaKeys : keys,
    metaValues: values,
    notes: says(like.notes, check.notes, facts) ? like.notes : piecesOf(check.notes, facts),
    output: says(like.output, check.output, facts) ? like.output : piecesOf(check.output, facts),
  };
}

const NOTHING: Form = {
  ...{ id: '', service: '', port: 0, weight: 1, tags: [], metaKeys: [], metaValues: [] },
  ...{ notes: '', output: '' },
};

/** Whether the form and these facts say the same as the registration, whatever the order of its meta. */
export function fits(form: Form, texts: Texts, facts: Facts): boolean {
  const { metaKeys, metaValues } = form;
  const { tags, meta, check } = texts;
  if (form.service !== texts.service || form.port !== texts.port || form.weight !== texts.weight) return false;
  if (metaKeys.length !== meta.size || !isSameList(form.tags, tags) || !says(form.id, texts.id, facts)) return false;
  for (let i = 0; i < metaKeys.length; i++) {
    const value = meta.get(metaKeys[i] ?? '');
    if (value === undefined || !says(metaValues[i] ?? '', value, facts)) return false;
  }
  return says(form.notes, check.notes, facts) && says(form.output, check.output, facts);
}

/** The texts of the registration that the form and the facts were made of. */
export function fillIn(form: Form, facts: Facts) {
  const { service, port, weight, tags, metaKeys, metaValues } = form;
  const meta = new Map<string, string>();
  for (let i = 0; i < metaKeys.length; i++) meta.set(metaKeys[i] ?? '', fill(metaValues[i] ?? '', facts));
  const [notes, output] = [fill(form.notes, facts), fill(form.output, facts)];
  return { id: idOf(form, facts), service, port, weight, tags, meta, notes, output };
}

/** The ID alone, of the same registration; the time is not needed. */
export function idOf(form: Form, facts: Facts): string {
  return fill(form.id, facts);
}

/** The first time to the second in a text, `2026-10-20T10:00:00Z`; empty where there is none. */
export function timeIn(text: string): string {
  return /\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ/.exec(text)?.[0] ?? '';
}

/** A value of meta: it is one of the facts as a whole, or none. */
function wholeOf(value: string, facts: Facts): Pieces {
  const at = value === '' ? -1 : BLANKS.findIndex((blank) => factOf(facts, blank) === value);
  return at < 0 ? value : at;
}

/** A sentence: facts stand anywhere in it. The pod's name alone is looked for in none, as it may be part of any word. */
function piecesOf(text: string, facts: Facts): Pieces {
  let pieces: (string | number)[] = [text];
  BLANKS.forEach((blank, at) => {
    const fact = blank === 'name' ? '' : factOf(facts, blank);
    if (fact !== '') pieces = pieces.flatMap((piece) => (typeof piece === 'string' ? splitBy(piece, fact, at) : piece));
  });
  return pieces.length === 1 && pieces[0] === text ? text : pieces;
}

function splitBy(text: string, fact: string, blank: number): (string | number)[] {
  return text
    .split(fact)
    .flatMap((piece, i) => (i === 0 ? [piece] : [blank, piece]))
    .filter((piece) => piece !== '');
}

function fill(pieces: Pieces, facts: Facts): string {
  if (typeof pieces !== 'object') return pieceOf(pieces, facts);
  let text = '';
  for (const piece of pieces) text += pieceOf(piece, facts);
  return text;
}

function says(pieces: Pieces, text: string, facts: Facts): boolean {
  if (typeof pieces !== 'object') return pieceOf(pieces, facts) === text;
  let at = 0;
  for (const piece of pieces) {
    const part = pieceOf(piece, facts);
    if (!text.startsWith(part, at)) return false;
    at += part.length;
  }
  return at === text.length;
}

function pieceOf(piece: string | number, facts: Facts): string {
  return typeof piece === 'string' ? piece : factOf(facts, BLANKS[piece] ?? 'name');
}

function factOf(facts: Facts, blank: Blank): string {
  if (blank === 'name') return facts.podKey.slice(facts.podKey.indexOf('/') + 1);
  // As `registrationId` has the pod.
  return blank === 'podInId' ? facts.podKey.replace('/', '.') : facts[blank];
}

function isSameList(a: readonly string[], b: readonly string[]): boolean {
  if (a === b) return true;
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}
