// Elements from values. What comes from clients only ever becomes text: nothing here parses markup.

/** An element with attributes (functions become listeners) and children (texts, elements, lists). */
export function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === 'function') made.addEventListener(name, value);
    else if (value !== undefined && value !== false) made.setAttribute(name, value);
  }
  for (const child of children.flat()) {
    if (child !== undefined && child !== null) made.append(child);
  }
  return made;
}

/** A table; each column is [title, value of a row, whether it is a number]. */
export function table(caption, columns, rows) {
  const kind = (number) => (number ? { class: 'number' } : {});
  const head = columns.map(([title, , number]) => element('th', { scope: 'col', ...kind(number) }, title));
  const body = rows.map((row) =>
    element('tr', {}, columns.map(([, value, number]) => element('td', kind(number), shown(value(row))))));
  return element('div', { class: 'scroll' }, element('table', {},
    element('caption', {}, caption), element('thead', {}, element('tr', {}, head)),
    element('tbody', {}, body)));
}

/** A figure, a text, an element, or JSON. */
function shown(value) {
  if (value === undefined || value === null) return '';
  if (typeof value === 'number') return value.toLocaleString();
  if (typeof value === 'string' || value instanceof Node) return value;
  const text = JSON.stringify(value);
  return text === '{}' || text === '[]' ? '' : text;
}

/** Names with their figures. */
export function cards(entries) {
  return element('dl', { class: 'cards' }, entries.map(([name, value]) =>
    element('div', {}, element('dt', {}, name), element('dd', {}, shown(value)))));
}

/** A form of [name, label, kind, default]; `submit` gets an object of the values. */
export function form(fields, action, submit) {
  const inputs = fields.map(([name, label, kind = 'text', value = '']) => {
    const input = kind === 'area' ? element('textarea', { name, rows: 3 })
      : element('input', { name, type: kind, value, autocomplete: kind === 'password' ? 'current-password' : 'off' });
    return element('label', {}, label, input);
  });
  return element('form', {
    submit(event) {
      event.preventDefault();
      submit(Object.fromEntries(new FormData(event.target)));
    },
  }, inputs, element('button', {}, action));
}

/** A button; one that destroys something asks first. */
export function button(label, press, question) {
  const click = () => { if (!question || confirm(question)) press(); };
  return element('button', { type: 'button', click, class: question ? 'danger' : undefined }, label);
}
