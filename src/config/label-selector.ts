const PREFIX = '([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*/)?';
const NAME = '[A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?';
const KEY = `${PREFIX}${NAME}`;
const VALUE = `(${NAME})?`;
const SET = `\\(\\s*${VALUE}\\s*(,\\s*${VALUE}\\s*)*\\)`;
/** One requirement, as `labels.Parse` of Kubernetes (apimachinery) takes it. */
const REQUIREMENT = new RegExp(
  `^\\s*(!\\s*${KEY}|${KEY}|${KEY}\\s*(=|==|!=)\\s*${VALUE}|${KEY}\\s+(in|notin)\\s*${SET}|${KEY}\\s*[<>]\\s*-?\\d{1,18})\\s*$`,
);
/** A comma that ends a requirement, and none between the values of a set. */
const BETWEEN = /,(?![^()]*\))/;
/** Longer ones are a mistake, and have no room in a URL. */
const LONGEST = 2000;

/**
 * Whether Kubernetes takes a text as a label selector: requirements with commas between, each `key`, `!key`, `key=value`,
 * `key!=value`, `key in (a,b)`, `key notin (a,b)`, `key>1` or `key<1`; an empty one selects everything. Only the API server
 * says what it selects.
 */
export function isLabelSelector(text: string): boolean {
  if (text.trim() === '') return text === '';
  return text.length <= LONGEST && text.split(BETWEEN).every((requirement) => REQUIREMENT.test(requirement));
}
