/*
 * What the answer tab streams, until somebody puts in something else: how it
 * is done.
 */

export default `You are reading an answer that arrives one word at a time, as \
language models write them. Each word is a message of its own: this page \
publishes it with an HTTP request, NGINX appends it to a channel, and every \
subscriber of the channel gets it at once. The page that writes is a \
subscriber like any other. It shows a word when the word comes back, never \
before.

Now press F5, in the middle of this sentence. The page forgets everything and \
begins again, and yet no word is lost and none is shown twice. The name of \
the channel stands in the address, behind the number sign. When the page has \
loaded, it asks for the history of this channel, as ordinary JSON, and paints \
what is there in one stroke. The last page of the history says where it ends, \
and from exactly this place an event stream goes on. Between the two there is \
no moment in which a word could fall through.

The writing goes on, too. What was in flight when you pressed the key may or \
may not have reached the server, and the page cannot know. So it sends the \
word again, under the same idempotency key, and the server publishes it once.

You may do worse. Reload NGINX while the words are coming: the old worker \
hands the stream over, the browser comes back by itself with the last id it \
has, and a new worker continues after it. Open the address in a second \
window, or on your telephone: it reads the same answer, from the beginning, \
and both go on together. Kill a worker, and it costs a moment, not a word.

The last word carries a seal. A sealed channel takes no more messages, and it \
tells its readers that they have all of it. A browser that asks again is told \
to stop asking. So this page knows that the answer is complete, and does \
not guess it from silence. That is all: a log with ids, a page of history and \
a stream that continue each other, and an end that is an end.
`;
