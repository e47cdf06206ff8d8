// Functions behind serverless-offline: connections are let in, requests answered from Redis in the route's response.
"use strict";
const { Redis } = require("ioredis");
const client = new Redis(process.env.REDIS_URL);

exports.connect = async () => ({ statusCode: 200 });

exports.request = async (event) => {
  const { id, key } = JSON.parse(event.body);
  const data = JSON.parse(await client.get(key));
  return { statusCode: 200, body: JSON.stringify({ id, data }) };
};
