// Sends a message to a queue by the default exchange and receives it.
'use strict';
const { assert, consumer, story, unique } = require('./support');

story(async (connection) => {
  const channel = await connection.createChannel();
  const { queue } = await channel.assertQueue(unique('hello'), { durable: false, autoDelete: true });
  channel.sendToQueue(queue, Buffer.from('Hello World!'), { contentType: 'text/plain' });
  const messages = await consumer(channel, queue);
  const message = await messages.next();
  assert.equal(message.content.toString(), 'Hello World!');
  assert.equal(message.properties.contentType, 'text/plain');
  assert.equal(message.fields.redelivered, false);
  channel.ack(message);
});
