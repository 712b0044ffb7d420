// The page: which part of it is shown, when it is asked anew, and who is logged in.

import { ask, forget, isKnown, remember } from './api.js';
import { button, element, form } from './element.js';
import * as pages from './pages.js';

const SECTIONS = [['', 'Overview'], ['connections', 'Connections'], ['channels', 'Channels'],
  ['exchanges', 'Exchanges'], ['queues', 'Queues']];
const SHOWN = { '': pages.overview, connections: pages.connections, channels: pages.channels,
  exchanges: pages.exchanges, queues: pages.queues };
const INTERVAL_MS = 5000;

const main = document.querySelector('main');
const notice = document.getElementById('notice');
const nav = document.querySelector('nav');
let turn = 0;

const say = (text) => { notice.textContent = text; };

/** The parts of the hash: #/queues/%2F/name. */
const place = () => location.hash.replace(/^#\/?/, '').split('/').map(decodeURIComponent);

async function show() {
  const mine = ++turn;
  if (!isKnown()) return logIn();
  const [section, vhost, name] = place();
  drawSections(section);
  try {
    const details = name === undefined ? undefined : { queues: pages.queue, exchanges: pages.exchange }[section];
    const page = details ? await details(vhost, name) : await (SHOWN[section] ?? pages.overview)();
    if (mine === turn) main.replaceChildren(...page.filter(Boolean));
  } catch (error) {
    if (mine === turn) main.replaceChildren(element('p', {}, error.message));
  }
}

function drawSections(current) {
  const links = SECTIONS.map(([section, label]) => element('a',
    { href: `#/${section}`, 'aria-current': section === current ? 'page' : undefined }, label));
  nav.replaceChildren(...links, button('Log out', () => { forget(); show(); }));
}

function logIn() {
  nav.replaceChildren();
  main.replaceChildren(element('h2', {}, 'Log in'),
    form([['user', 'User'], ['password', 'Password', 'password']], 'Log in', async ({ user, password }) => {
      remember(user, password);
      try {
        await ask('GET', 'api/whoami');
        say('');
      } catch (error) {
        forget();
        say(error.message);
      }
      show();
    }));
}

/** Not while somebody types or reads what was fetched: it would take it away from them. */
function isBusy() {
  const active = document.activeElement;
  const typed = [...main.querySelectorAll('input, textarea')].some((it) => it.value !== it.defaultValue);
  return typed || main.querySelector('[aria-live]:not(:empty)') !== null || /INPUT|TEXTAREA/.test(active?.tagName);
}

pages.onAction((error, then) => {
  say(error ? error.message : '');
  if (typeof then === 'string') location.hash = then;
  else if (then) show();
});
window.addEventListener('hashchange', () => { say(''); show().then(() => main.focus()); });
setInterval(() => { if (!document.hidden && isKnown() && !isBusy()) show(); }, INTERVAL_MS);
show();
