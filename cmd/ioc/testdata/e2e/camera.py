# A camera that is not ours: GStreamer's RTSP server with a moving ball, digest
# authentication, on the port that is asked for (0: a free one). It prints the
# port and plays until its standard input closes.
import sys
import threading

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import GLib, Gst, GstRtspServer

port, user, password = sys.argv[1:4]
Gst.init(None)
factory = GstRtspServer.RTSPMediaFactory()
factory.set_launch(
    "( videotestsrc is-live=true pattern=ball ! video/x-raw,format=I420,width=640,height=360,framerate=10/1"
    " ! x264enc tune=zerolatency speed-preset=ultrafast key-int-max=10 ! rtph264pay name=pay0 pt=96 )"
)
factory.set_shared(True)
factory.add_role_from_structure(
    Gst.Structure.new_from_string("viewer, media.factory.access=(boolean)true, media.factory.construct=(boolean)true")
)
token = GstRtspServer.RTSPToken()
token.set_string("media.factory.role", "viewer")
auth = GstRtspServer.RTSPAuth()
auth.set_supported_methods(2)  # GST_RTSP_AUTH_DIGEST
auth.add_digest(user, password, token)
server = GstRtspServer.RTSPServer()
server.set_address("127.0.0.1")
server.set_service(port)
server.set_auth(auth)
server.get_mount_points().add_factory("/h264", factory)
if server.attach(None) == 0:
    sys.exit("port %s is taken" % port)
print(server.get_bound_port(), flush=True)
loop = GLib.MainLoop()


def until_closed():
    sys.stdin.read()
    loop.quit()


threading.Thread(target=until_closed, daemon=True).start()
loop.run()
