// Does what must be refused, and looks at code, text, class and method of each refusal.
'use strict';
const { amqp, assert, privateQueue, story } = require('./support');

const QUEUE = { declare: '50/10', bind: '50/20', purge: '50/30', delete: '50/40' };
const EXCHANGE = { declare: '40/10', delete: '40/20', bind: '40/30' };
const BASIC = { qos: '60/10', consume: '60/20', publish: '60/40', get: '60/70', ack: '60/80', reject: '60/90' };
const NO_EXCHANGE = "NOT_FOUND - no exchange 'nowhere' in vhost '/'";
const NO_QUEUE = "NOT_FOUND - no queue 'nothing' in vhost '/'";
const DEFAULT = 'ACCESS_REFUSED - operation not permitted on the default exchange';
const declare = (args, options) => (channel) =>
  channel.assertQueue('', { exclusive: true, arguments: args, ...options });
const publish = (options, exchange = '') => (channel, queue) =>
  channel.publish(exchange, queue, Buffer.from('x'), options);

// What is tried on a fresh channel with a private queue, and how it is refused. A text may also be
// a pattern, where RabbitMQ's details are Erlang's.
const SOFT = {
  'publish to no exchange': [404, BASIC.publish, NO_EXCHANGE, publish({}, 'nowhere')],
  'consume from no queue': [404, BASIC.consume, NO_QUEUE, (c) => c.consume('nothing', () => {})],
  'get from no queue': [404, BASIC.get, NO_QUEUE, (c) => c.get('nothing')],
  'purge of no queue': [404, QUEUE.purge, NO_QUEUE, (c) => c.purgeQueue('nothing')],
  'passive queue': [404, QUEUE.declare, NO_QUEUE, (c) => c.checkQueue('nothing')],
  'passive exchange': [404, EXCHANGE.declare, NO_EXCHANGE, (c) => c.checkExchange('nowhere')],
  'bind to no exchange': [404, QUEUE.bind, NO_EXCHANGE, (c, q) => c.bindQueue(q, 'nowhere', '')],
  'bind no queue': [404, QUEUE.bind, NO_QUEUE, (c) => c.bindQueue('nothing', 'amq.direct', '')],
  'bind no exchanges': [404, EXCHANGE.bind, NO_EXCHANGE, (c) => c.bindExchange('amq.direct', 'nowhere', '')],
  'unknown tag': [406, BASIC.ack, 'PRECONDITION_FAILED - unknown delivery tag 82',
    (c) => c.ack({ fields: { deliveryTag: 82 } })],
  'tag 0': [406, BASIC.reject, 'PRECONDITION_FAILED - unknown delivery tag 0',
    (c) => c.reject({ fields: { deliveryTag: 0 } })],
  'default exchange: declare': [403, EXCHANGE.declare, DEFAULT, (c) => c.assertExchange('', 'direct')],
  'default exchange: passive': [403, EXCHANGE.declare, DEFAULT, (c) => c.checkExchange('')],
  'default exchange: delete': [403, EXCHANGE.delete, DEFAULT, (c) => c.deleteExchange('')],
  'default exchange: bind': [403, QUEUE.bind, DEFAULT, (c, q) => c.bindQueue(q, '', 'k')],
  'default exchange: unbind': [403, '50/50', DEFAULT, (c, q) => c.unbindQueue(q, '', 'k')],
  'default exchange: bind exchange': [403, EXCHANGE.bind, DEFAULT, (c) => c.bindExchange('', 'amq.direct', 'k')],
  'reserved exchange': [403, EXCHANGE.declare, "ACCESS_REFUSED - exchange name 'amq.x' contains reserved prefix 'amq.*'",
    (c) => c.assertExchange('amq.x', 'direct')],
  'reserved queue': [403, QUEUE.declare, "ACCESS_REFUSED - queue name 'amq.x' contains reserved prefix 'amq.*'",
    (c) => c.assertQueue('amq.x')],
  'system exchange': [403, EXCHANGE.delete, "ACCESS_REFUSED - deletion of system exchange 'amq.direct' in vhost '/' not allowed",
    (c) => c.deleteExchange('amq.direct')],
  'system exchange that is missing': [403, EXCHANGE.delete, /^ACCESS_REFUSED - /, (c) => c.deleteExchange('amq.x')],
  // Since 4.0; before, RabbitMQ closed the connection with 503.
  'unknown type': [406, EXCHANGE.declare, "PRECONDITION_FAILED - unknown exchange type 'bogus'",
    (c) => c.assertExchange('x', 'bogus')],
  'other type': [406, EXCHANGE.declare, "PRECONDITION_FAILED - inequivalent arg 'type' for exchange 'amq.direct' " +
    "in vhost '/': received 'topic' but current is 'direct'", (c) => c.assertExchange('amq.direct', 'topic')],
  'expires 0': [406, QUEUE.declare, /invalid arg 'x-expires' for queue/, declare({ 'x-expires': 0 })],
  'negative ttl': [406, QUEUE.declare, /invalid arg 'x-message-ttl' for queue/, declare({ 'x-message-ttl': -1 })],
  'ttl as text': [406, QUEUE.declare, /invalid arg 'x-message-ttl' for queue/, declare({ 'x-message-ttl': '1' })],
  'ttl above ten years': [406, QUEUE.declare, /invalid arg 'x-message-ttl' for queue/, declare({ 'x-message-ttl': 315_360_000_001 })],
  'overflow': [406, QUEUE.declare, /invalid arg 'x-overflow' for queue/, declare({ 'x-overflow': 'bogus' })],
  'dead-letter key alone': [406, QUEUE.declare, /invalid arg 'x-dead-letter-routing-key' for queue/,
    declare({ 'x-dead-letter-routing-key': 'k' })],
  'priorities': [406, QUEUE.declare, /invalid arg 'x-max-priority' for queue/, declare({ 'x-max-priority': 256 })],
  'bad x-match': [406, QUEUE.bind, /Invalid x-match field value/, (c, q) =>
    c.bindQueue(q, 'amq.headers', '', { 'x-match': 'some' })],
  'empty expiration': [406, BASIC.publish, /invalid expiration/, publish({ expiration: '' })],
  'negative expiration': [406, BASIC.publish, /invalid expiration/, publish({ expiration: '-1' })],
  'wordy expiration': [406, BASIC.publish, /invalid expiration/, publish({ expiration: 'soon' })],
  'CC is no array': [406, BASIC.publish, /^PRECONDITION_FAILED - invalid message/, publish({ headers: { CC: 'q' } })],
  'user': [406, BASIC.publish, "PRECONDITION_FAILED - user_id property set to 'me' but authenticated user was 'guest'",
    publish({ userId: 'me' })],
  'reply without a consumer': [406, BASIC.publish, 'PRECONDITION_FAILED - fast reply consumer does not exist',
    publish({ replyTo: 'amq.rabbitmq.reply-to' })],
  'reply with acknowledgements': [406, BASIC.consume, 'PRECONDITION_FAILED - reply consumer cannot acknowledge',
    (c) => c.consume('amq.rabbitmq.reply-to', () => {})],
  'two reply consumers': [406, BASIC.consume, 'PRECONDITION_FAILED - reply consumer already set', async (c) => {
    await c.consume('amq.rabbitmq.reply-to', () => {}, { noAck: true });
    await c.consume('amq.rabbitmq.reply-to', () => {}, { noAck: true });
  }],
  'exclusive among others': [403, BASIC.consume, /^ACCESS_REFUSED - queue '.*' in vhost '\/' in exclusive use$/, async (c, q) => {
    await c.consume(q, () => {});
    await c.consume(q, () => {}, { exclusive: true });
  }],
  'others beside exclusive': [403, BASIC.consume, /in exclusive use$/, async (c, q) => {
    await c.consume(q, () => {}, { exclusive: true });
    await c.consume(q, () => {});
  }],
  'delete a used queue': [406, QUEUE.delete, /in use$/, async (c, q) => {
    await c.consume(q, () => {});
    await c.deleteQueue(q, { ifUnused: true });
  }],
  'delete a filled queue': [406, QUEUE.delete, /not empty$/, async (c, q) => {
    c.sendToQueue(q, Buffer.from('x'));
    await c.deleteQueue(q, { ifEmpty: true });
  }],
};

// These close the connection.
const HARD = {
  'a consumer tag again': [530, BASIC.consume, "NOT_ALLOWED - attempt to reuse consumer tag 't'", async (c, q) => {
    await c.consume(q, () => {}, { consumerTag: 't' });
    await c.consume(q, () => {}, { consumerTag: 't' });
  }],
};

story(async () => {
  let wrong = 0;
  for (const [what, expected] of Object.entries({ ...SOFT, ...HARD })) {
    const connection = await amqp.connect(process.env.AMQP_URL);
    try {
      compare(await refusal(connection, expected[3], what in HARD), ...expected);
    } catch (error) {
      console.error(`${what}: ${error.message}`);
      wrong++;
    }
    await connection.close().catch(() => {});
  }
  assert.equal(wrong, 0);
});

/** What the broker says to an attempt: the error event of the channel, or of its connection. */
async function refusal(connection, attempt, hard) {
  const channel = await connection.createChannel();
  const queue = await privateQueue(channel);
  const refused = new Promise((resolve, reject) => {
    channel.on('error', hard ? () => {} : resolve);
    connection.on('error', hard ? resolve : reject);
    setTimeout(() => reject(new Error('not refused within 10 s')), 10_000).unref();
  });
  const attempted = (async () => attempt(channel, queue))();
  attempted.catch(() => {}); // the same error, in the words of the call
  return refused;
}

function compare(error, code, method, text) {
  const said = /with message "([\s\S]*)"$/.exec(error.message)?.[1] ?? error.message;
  if (text instanceof RegExp) assert.match(said, text);
  else assert.equal(said, text);
  assert.equal(error.code, code);
  if (error.classId !== undefined) assert.equal(`${error.classId}/${error.methodId}`, method);
}
