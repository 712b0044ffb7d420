// Asks a server for Fibonacci numbers and gets the answers without a queue: direct reply-to.
'use strict';
const { assert, consumer, privateQueue, story } = require('./support');
const DIRECT = 'amq.rabbitmq.reply-to';
const fibonacci = (n) => (n < 2 ? n : fibonacci(n - 1) + fibonacci(n - 2));

story(async (connection) => {
  const serving = await connection.createChannel();
  const questions = await privateQueue(serving);
  await serving.consume(questions, (question) => {
    const { replyTo, correlationId } = question.properties;
    assert.match(replyTo, /^amq\.rabbitmq\.reply-to\../); // the broker made it an address
    const answer = fibonacci(Number(question.content));
    serving.sendToQueue(replyTo, Buffer.from(String(answer)), { correlationId });
    serving.ack(question);
  });

  const channel = await connection.createChannel();
  const answers = await consumer(channel, DIRECT, { noAck: true });
  for (const [n, number] of [0, 1, 1, 2, 3, 5, 8, 13, 21].entries()) {
    const asked = { replyTo: DIRECT, correlationId: `question ${n}` };
    channel.sendToQueue(questions, Buffer.from(String(n)), asked);
    const answer = await answers.next();
    assert.equal(answer.properties.correlationId, `question ${n}`);
    assert.equal(Number(answer.content), number);
  }
});
