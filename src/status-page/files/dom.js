// Makes what the page shows. Text of others only ever becomes text: there is no way from here to markup or to a script.

const INVISIBLE = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu;

/** Text of others for people: characters that cannot be seen, or turn the direction of what follows, are shown by their number. */
export function visible(text) {
  return String(text).replace(INVISIBLE, (one) => `\\u{${one.codePointAt(0).toString(16)}}`);
}

/** @param children elements and texts; what is undefined, null or false is left out */
export function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  fill(made, ...children);
  return made;
}

/** Puts these in place of what is in there. */
export function fill(place, ...children) {
  const given = children.flat().filter((child) => child !== undefined && child !== null && child !== false);
  place.replaceChildren(...given.map((child) => (child instanceof Node ? child : visible(child))));
}

/** A name or other short text that somebody else wrote, kept apart from the direction of the text around. */
export function name(text, kind = '') {
  return element('bdi', kind === '' ? {} : { class: kind }, text);
}

/** A link to the UI of Consul where its address is known, else the text alone. @param path not yet encoded */
export function consulLink(ui, path, text, kind = '') {
  const isPlain = path.every((part) => part !== '' && part !== '.' && part !== '..');
  if (!/^https?:\/\//.test(ui ?? '') || !isPlain) return name(text, kind);
  const href = [ui.replace(/\/+$/, ''), ...path.map(encodeURIComponent)].join('/');
  return element('a', { href, class: kind, rel: 'noopener noreferrer', target: '_blank' }, name(text));
}

/** `1 instance`, `10 000 instances`. */
export function count(number, what) {
  return `${amount(number)} ${what}${number === 1 ? '' : 's'}`;
}

export function amount(number) {
  return String(number).replace(/\B(?=(\d{3})+$)/g, '\u202f');
}

/** How long something takes, in the unit that says most. */
export function span(ms) {
  const seconds = Math.max(0, Math.round(ms / 1000));
  if (seconds < 120) return `${seconds} s`;
  if (seconds < 7200) return `${Math.round(seconds / 60)} min`;
  return seconds < 172_800 ? `${Math.round(seconds / 3600)} h` : `${Math.round(seconds / 86_400)} d`;
}
