# A camera with a main and a sub-stream that is not ours: GStreamer's RTSP server, a
# picture that stands still but for its burnt-in clock at the bottom right. It prints
# its port, then "play PATH" and "gone PATH" for each session that watches, and
# serves until its standard input closes.
import sys
import threading

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import GLib, Gst, GstRtspServer

Gst.init(None)
server = GstRtspServer.RTSPServer()
server.set_address("127.0.0.1")
server.set_service("0")
for path, size, font in (("/main", "width=1280,height=720", 28), ("/sub", "width=320,height=180", 20)):
    factory = GstRtspServer.RTSPMediaFactory()
    factory.set_launch(
        "( videotestsrc is-live=true pattern=smpte75 ! video/x-raw,format=I420,%s,framerate=10/1"
        ' ! clockoverlay time-format="%%H:%%M:%%S" halignment=right valignment=bottom shaded-background=true font-desc="Sans %d"'
        " ! x264enc tune=zerolatency speed-preset=ultrafast key-int-max=10 ! rtph264pay name=pay0 pt=96 )" % (size, font)
    )
    server.get_mount_points().add_factory(path, factory)


def connected(_, client):
    playing = []

    def play(_, context):
        playing.append(context.uri.abspath)
        print("play", context.uri.abspath, flush=True)

    def closed(_):
        for path in playing:
            print("gone", path, flush=True)

    client.connect("play-request", play)
    client.connect("closed", closed)


server.connect("client-connected", connected)
if server.attach(None) == 0:
    sys.exit("no port")
print(server.get_bound_port(), flush=True)
loop = GLib.MainLoop()


def until_closed():
    sys.stdin.read()
    loop.quit()


threading.Thread(target=until_closed, daemon=True).start()
loop.run()
