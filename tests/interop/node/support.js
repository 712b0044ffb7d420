// What the Node stories share: a connection, small checks. The client is amqplib.
'use strict';
const assert = require('node:assert/strict');
const amqp = require('amqplib');

/** Runs a story on a connection of its own; any error ends the process with a failure. */
function story(run) {
  const late = setTimeout(() => { throw new Error('nothing happened for 60 s'); }, 60_000);
  late.unref();
  process.exitCode = 1; // until it is done: Node ends when nothing more can happen
  amqp.connect(process.env.AMQP_URL)
    .then(async (connection) => {
      connection.on('error', () => {}); // a story that provokes one looks at it itself
      await run(connection);
      await connection.close().catch(() => {});
      process.exitCode = 0;
    })
    .catch((error) => {
      console.error(error.stack);
      process.exit(1);
    });
}

/** An exclusive queue that the server names. */
const privateQueue = async (channel) => (await channel.assertQueue('', { exclusive: true })).queue;

/** Drains a queue, gives the bodies in their order. */
async function takeAll(channel, queue) {
  const bodies = [];
  for (let message; (message = await channel.get(queue, { noAck: true }));) {
    bodies.push(message.content.toString());
  }
  return bodies;
}

/** The next messages of a consumer, as a function that waits for one at a time. */
async function consumer(channel, queue, options) {
  const waiting = [], arrived = [];
  const { consumerTag } = await channel.consume(queue, (message) => {
    if (waiting.length) waiting.shift()(message);
    else arrived.push(message);
  }, options);
  const next = () => arrived.length
    ? Promise.resolve(arrived.shift())
    : new Promise((resolve) => waiting.push(resolve));
  return { consumerTag, next };
}

/** A name that no other run uses. */
const unique = (name) => `js.${name}.${process.pid}`;

module.exports = { amqp, assert, consumer, privateQueue, story, takeAll, unique };
