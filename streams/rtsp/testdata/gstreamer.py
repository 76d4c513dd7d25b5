# A camera that is not ours: GStreamer's RTSP server on a free port of the
# loopback, with digest authentication. It prints the port and plays until its
# standard input closes. /metadata has an ONVIF metadata track beside the video:
# the document of the third argument, cut into packets, twice a second.
import struct
import sys
import threading

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import GLib, Gst, GstRtspServer

user, password, document = sys.argv[1:4]
Gst.init(None)
source = "videotestsrc is-live=true pattern=ball ! video/x-raw,format=I420,width=640,height=360,framerate=10/1 ! "
launches = {
    "/h264": source + "x264enc tune=zerolatency speed-preset=ultrafast key-int-max=10 ! rtph264pay name=pay0 pt=96",
    "/bframes": source + "x264enc speed-preset=veryfast bframes=2 b-adapt=false rc-lookahead=0 sync-lookahead=0 sliced-threads=true key-int-max=10 ! rtph264pay name=pay0 pt=96 config-interval=-1",
    "/h265": source + "x265enc tune=zerolatency speed-preset=ultrafast key-int-max=10 ! rtph265pay name=pay0 pt=96 config-interval=-1",
    "/mjpeg": source + "jpegenc ! rtpjpegpay name=pay0 pt=26",
}
launches["/bars"] = launches["/h264"].replace("pattern=ball", "pattern=smpte horizontal-speed=3")
launches["/metadata"] = launches["/h264"] + (
    " appsrc name=pay1 is-live=true format=time do-timestamp=true caps=application/x-rtp,media=application,"
    "encoding-name=VND.ONVIF.METADATA,clock-rate=90000,payload=107"
)


def metadata(factory, media):
    """Sends the document through the media's application track."""
    track = media.get_element().get_by_name("pay1")
    sent = {"packets": 0, "documents": 0}

    def send():
        text = document.encode()
        parts = [text[i : i + 300] for i in range(0, len(text), 300)]
        sent["documents"] += 1
        for i, part in enumerate(parts):
            marker = 0x80 if i == len(parts) - 1 else 0
            sent["packets"] += 1
            head = struct.pack(">BBHII", 0x80, marker | 107, sent["packets"] & 0xFFFF, sent["documents"] * 45000, 0x1234)
            if track.emit("push-buffer", Gst.Buffer.new_wrapped(head + part)) != Gst.FlowReturn.OK:
                return False
        return True

    send()
    GLib.timeout_add(500, send)


server = GstRtspServer.RTSPServer()
server.set_address("127.0.0.1")
server.set_service("0")
auth = GstRtspServer.RTSPAuth()
auth.set_supported_methods(2)  # GST_RTSP_AUTH_DIGEST
token = GstRtspServer.RTSPToken()
token.set_string("media.factory.role", "viewer")
auth.add_digest(user, password, token)
server.set_auth(auth)
for path, launch in launches.items():
    factory = GstRtspServer.RTSPMediaFactory()
    factory.set_launch("( " + launch + " )")
    factory.set_shared(True)
    if path == "/metadata":
        factory.connect("media-configure", metadata)
    factory.add_role_from_structure(
        Gst.Structure.new_from_string("viewer, media.factory.access=(boolean)true, media.factory.construct=(boolean)true")
    )
    server.get_mount_points().add_factory(path, factory)
server.attach(None)
print(server.get_bound_port(), flush=True)
loop = GLib.MainLoop()


def until_closed():
    sys.stdin.read()
    loop.quit()


threading.Thread(target=until_closed, daemon=True).start()
loop.run()
