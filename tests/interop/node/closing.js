// Ends channels, connections and consumers from both sides.
'use strict';
const { once } = require('node:events');
const { amqp, assert, consumer, privateQueue, story, unique } = require('./support');

story(async (connection) => {
  const channel = await connection.createChannel();
  const queue = await privateQueue(channel);
  channel.sendToQueue(queue, Buffer.from('kept'));

  const other = await connection.createChannel();
  await (await consumer(other, queue)).next();
  await other.close(); // by the client: what was unacked goes back
  assert.equal((await channel.get(queue)).fields.redelivered, true);

  const broken = await connection.createChannel();
  broken.publish('nowhere', '', Buffer.alloc(0));
  const [soft] = await once(broken, 'error'); // by the broker: this channel only
  assert.deepEqual([soft.code, soft.classId, soft.methodId], [404, 60, 40]);
  await channel.checkQueue(queue);

  const doomed = await amqp.connect(process.env.AMQP_URL);
  const last = await doomed.createChannel();
  const tag = { consumerTag: 'taken' };
  const own = await privateQueue(last);
  await last.consume(own, () => {}, tag);
  last.consume(own, () => {}, tag).catch(() => {});
  const [hard] = await once(doomed, 'error'); // by the broker: the whole connection
  assert.equal(hard.code, 530);
  assert.match(hard.message, /NOT_ALLOWED - attempt to reuse consumer tag 'taken'/);

  await cancelled(connection, channel);
});

/** The consumer of a queue that is deleted gets null: the broker's basic.cancel. */
async function cancelled(connection, channel) {
  const { queue } = await channel.assertQueue(unique('cancelled'), { durable: false });
  const messages = await consumer(channel, queue);
  const other = await connection.createChannel();
  await other.deleteQueue(queue);
  assert.equal(await messages.next(), null);
}
